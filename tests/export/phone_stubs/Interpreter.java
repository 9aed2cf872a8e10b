package org.tensorflow.lite;

import java.io.File;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Has signatures that LiteRT documents, keeps the bytes it is given and returns known ones.
 *
 * <p>As LiteRT does, it reads a direct buffer from its start, whatever the position, and writes at
 * the position of the output.
 */
public final class Interpreter implements AutoCloseable {
    /** For the test: the input of the last run, and the output of the next one. */
    public static byte[] taken, given;

    public static class Options {}

    public Interpreter(File model) {
        this(model, null);
    }

    public Interpreter(File model, Options options) {
        throw new UnsupportedOperationException("the test gives a mapped file");
    }

    public Interpreter(ByteBuffer model) {
        this(model, null);
    }

    public Interpreter(ByteBuffer model, Options options) {
        if (!model.isDirect()) {
            throw new IllegalArgumentException("the model is not memory-mapped");
        }
    }

    public void run(Object input, Object output) {
        ByteBuffer pixels = (ByteBuffer) input;
        if (!pixels.isDirect() || pixels.order() != ByteOrder.nativeOrder()) {
            throw new IllegalArgumentException("the input is not direct and in native order");
        }
        taken = new byte[pixels.capacity()];
        for (int i = 0; i < taken.length; i++) {
            taken[i] = pixels.get(i);
        }
        ((ByteBuffer) output).put(given);
    }

    @Override
    public void close() {}
}
