import android.graphics.Bitmap;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.tensorflow.lite.Interpreter;

/**
 * Calls the class Segmenter of each package with several pictures.
 *
 * <p>Usage: Run FOLDER WIDTH PICTURES PACKAGE... FOLDER has PACKAGE.tflite, PACKAGE.rgb and what
 * the file gives for these pictures, PACKAGE.given. Writes PACKAGE.taken and PACKAGE.ids (int32).
 */
public class Run {
    public static void main(String[] args) throws Exception {
        int width = Integer.parseInt(args[1]);
        int pictures = Integer.parseInt(args[2]);
        for (String name : Arrays.copyOfRange(args, 3, args.length)) {
            Path path = Path.of(args[0], name);
            byte[] rgb = Files.readAllBytes(Path.of(path + ".rgb"));
            byte[] given = Files.readAllBytes(Path.of(path + ".given"));
            ByteArrayOutputStream taken = new ByteArrayOutputStream();
            ByteArrayOutputStream ids = new ByteArrayOutputStream();
            Class<?> kind = Class.forName(name + ".Segmenter");
            Method classIds = kind.getMethod("classIds", Bitmap.class);
            try (AutoCloseable segmenter =
                    (AutoCloseable) kind.getConstructor(ByteBuffer.class).newInstance(mapped(path))) {
                for (int i = 0; i < pictures; i++) {
                    Interpreter.given = part(given, i, pictures);
                    Bitmap bitmap = new Bitmap(part(rgb, i, pictures), width);
                    for (int id : (int[]) classIds.invoke(segmenter, bitmap)) {
                        new DataOutputStream(ids).writeInt(id);
                    }
                    taken.write(Interpreter.taken);
                }
            }
            Files.write(Path.of(path + ".taken"), taken.toByteArray());
            Files.write(Path.of(path + ".ids"), ids.toByteArray());
        }
    }

    private static ByteBuffer mapped(Path path) throws Exception {
        try (FileChannel file = FileChannel.open(Path.of(path + ".tflite"))) {
            return file.map(FileChannel.MapMode.READ_ONLY, 0, file.size());
        }
    }

    private static byte[] part(byte[] bytes, int index, int parts) {
        int size = bytes.length / parts;
        return Arrays.copyOfRange(bytes, index * size, (index + 1) * size);
    }
}
