// SPDX-License-Identifier: Apache-2.0
import java.security.MessageDigest;
import java.util.HexFormat;

/** What the steps of both packages share: the same bytes as native_steps.py makes. */
final class Content {
    static final int[] SIZES = {1, 5000, 300_000, 3_000_000};
    static final int[] KEPT = {5000, 700_000}; // left behind for S3 to read
    static final int EPERM = 1;

    private Content() {}

    static byte[] of(int n) {
        byte[] b = new byte[n];
        for (int i = 0; i < n; i++)
            b[i] = (byte) (i * 7 + (i >> 8));
        return b;
    }

    static void check(boolean ok, String what) {
        if (!ok)
            throw new AssertionError(what);
    }

    static String md5(byte[] data) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("MD5").digest(data));
    }
}
