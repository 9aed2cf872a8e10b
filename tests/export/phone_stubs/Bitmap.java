package android.graphics;

/** Has signatures that Android documents, and opaque pixels. */
public final class Bitmap {
    private final int[] colors;
    private final int width;

    /** For the test: red, green, blue of each pixel. */
    public Bitmap(byte[] rgb, int width) {
        this.width = width;
        colors = new int[rgb.length / 3];
        for (int i = 0; i < colors.length; i++) {
            int red = rgb[3 * i] & 255;
            int green = rgb[3 * i + 1] & 255;
            int blue = rgb[3 * i + 2] & 255;
            colors[i] = 255 << 24 | red << 16 | green << 8 | blue;
        }
    }

    public int getWidth() {
        return width;
    }

    public int getHeight() {
        return colors.length / width;
    }

    public void getPixels(
            int[] pixels, int offset, int stride, int x, int y, int width, int height) {
        if (x + width > getWidth() || y + height > getHeight() || Math.abs(stride) < width) {
            throw new IllegalArgumentException();
        }
        for (int row = 0; row < height; row++) {
            for (int column = 0; column < width; column++) {
                pixels[offset + row * stride + column] =
                        colors[(y + row) * this.width + x + column];
            }
        }
    }
}
