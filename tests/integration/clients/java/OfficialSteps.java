// SPDX-License-Identifier: Apache-2.0
import java.util.Arrays;
import org.csource.common.NameValuePair;
import org.csource.fastdfs.ClientGlobal;
import org.csource.fastdfs.FileInfo;
import org.csource.fastdfs.ProtoCommon;
import org.csource.fastdfs.StorageClient1;
import org.csource.fastdfs.TrackerClient;

/** fastdfs-client-java: OfficialSteps TRACKER-PORT [FILE-ID MD5]... */
public final class OfficialSteps {
    private static StorageClient1 client() throws Exception {
        return new StorageClient1(new TrackerClient().getConnection(), null);
    }

    private static void file(int size) throws Exception {
        StorageClient1 c = client();
        byte[] data = Content.of(size);
        String id = c.upload_file1(data, "bin", null);
        Content.check(id != null && id.matches("group[12]/M00/.*\\.bin"), "id " + id);
        Content.check(Arrays.equals(c.download_file1(id), data), "whole file of " + size);
        if (size > 1000)
            Content.check(Arrays.equals(c.download_file1(id, 100, 200), Arrays.copyOfRange(data, 100, 300)), "range");
        FileInfo info = c.query_file_info1(id);
        Content.check(info.getFileSize() == size, "size");
        NameValuePair[] meta = {new NameValuePair("width", "7"), new NameValuePair("height", "8")};
        Content.check(c.set_metadata1(id, meta, ProtoCommon.STORAGE_SET_METADATA_FLAG_OVERWRITE) == 0, "set");
        NameValuePair[] more = {new NameValuePair("width", "9")};
        Content.check(c.set_metadata1(id, more, ProtoCommon.STORAGE_SET_METADATA_FLAG_MERGE) == 0, "merge");
        NameValuePair[] got = c.get_metadata1(id);
        Content.check(got.length == 2 && got[1].getName().equals("width") && got[1].getValue().equals("9"), "meta");
        String slave = c.upload_file1(id, "_small", Content.of(10), "png", null);
        Content.check(Arrays.equals(c.download_file1(slave), Content.of(10)), "slave");
        Content.check(c.delete_file1(slave) == 0 && c.delete_file1(id) == 0, "delete");
        Content.check(c.download_file1(id) == null, "a deleted file is gone");
    }

    private static void appender() throws Exception {
        StorageClient1 c = client();
        String id = c.upload_appender_file1("begin ".getBytes(), "log", null);
        Content.check(c.append_file1(id, "and end".getBytes()) == 0, "append");
        Content.check(c.modify_file1(id, 0, "BEGIN".getBytes()) == 0, "modify");
        Content.check(c.truncate_file1(id, 9) == 0, "truncate");
        Content.check(new String(c.download_file1(id)).equals("BEGIN and"), "appender");
        Content.check(c.delete_file1(id) == 0, "delete");
    }

    public static void main(String[] args) throws Exception {
        ClientGlobal.initByTrackers("127.0.0.1:" + args[0]);
        for (int size : Content.SIZES)
            file(size);
        appender();
        for (int i = 1; i + 1 < args.length; i += 2) {
            Content.check(client().delete_file1(args[i]) == Content.EPERM, "deletion of " + args[i]);
            Content.check(Content.md5(client().download_file1(args[i])).equals(args[i + 1]), args[i]);
        }
        for (int size : Content.KEPT)
            System.out.println("kept " + client().upload_file1(Content.of(size), "bin", null) + " " + Content.md5(Content.of(size)));
        System.out.println("ok");
    }
}
