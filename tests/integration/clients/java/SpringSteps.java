// SPDX-License-Identifier: Apache-2.0
import com.github.tobato.fastdfs.FdfsClientConfig;
import com.github.tobato.fastdfs.domain.fdfs.MetaData;
import com.github.tobato.fastdfs.domain.fdfs.StorePath;
import com.github.tobato.fastdfs.domain.proto.storage.DownloadByteArray;
import com.github.tobato.fastdfs.exception.FdfsServerException;
import com.github.tobato.fastdfs.service.AppendFileStorageClient;
import com.github.tobato.fastdfs.service.FastFileStorageClient;
import java.io.ByteArrayInputStream;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;

/** fastdfs-client of the Spring world: SpringSteps TRACKER-PORT [FILE-ID MD5]... */
@Configuration
@EnableConfigurationProperties
@Import(FdfsClientConfig.class)
public class SpringSteps {
    private static ByteArrayInputStream in(byte[] data) {
        return new ByteArrayInputStream(data);
    }

    private static byte[] fetch(FastFileStorageClient c, StorePath p) {
        return c.downloadFile(p.getGroup(), p.getPath(), new DownloadByteArray());
    }

    private static void file(FastFileStorageClient c, int size) {
        byte[] data = Content.of(size);
        Set<MetaData> meta = new HashSet<>(Arrays.asList(new MetaData("width", "7"), new MetaData("height", "8")));
        StorePath p = c.uploadFile(in(data), size, "bin", meta);
        Content.check(p.getFullPath().matches("group[12]/M00/.*"), p.getFullPath());
        Content.check(Arrays.equals(fetch(c, p), data), "whole file of " + size);
        Content.check(c.getMetadata(p.getGroup(), p.getPath()).equals(meta), "meta");
        Content.check(c.queryFileInfo(p.getGroup(), p.getPath()).getFileSize() == size, "size");
        StorePath slave = c.uploadSlaveFile(p.getGroup(), p.getPath(), in(Content.of(10)), 10, "_small", "png");
        Content.check(Arrays.equals(fetch(c, slave), Content.of(10)), "slave");
        c.deleteFile(slave.getFullPath());
        c.deleteFile(p.getFullPath());
        try {
            fetch(c, p);
            throw new AssertionError("a deleted file could still be downloaded");
        } catch (FdfsServerException expected) {
            Content.check(expected.getErrorCode() == 2, "ENOENT");
        }
    }

    private static void appender(FastFileStorageClient c, AppendFileStorageClient a) {
        StorePath p = a.uploadAppenderFile("group1", in("begin ".getBytes()), 6, "log");
        a.appendFile(p.getGroup(), p.getPath(), in("and end".getBytes()), 7);
        a.modifyFile(p.getGroup(), p.getPath(), in("BEGIN".getBytes()), 5, 0);
        Content.check(new String(fetch(c, p)).equals("BEGIN and end"), "appender");
        // This package announces as many bytes too many as the new size has, and then waits for ever: only 0 works.
        a.truncateFile(p.getGroup(), p.getPath());
        a.appendFile(p.getGroup(), p.getPath(), in("again".getBytes()), 5);
        Content.check(new String(fetch(c, p)).equals("again"), "truncated");
        a.deleteFile(p.getGroup(), p.getPath());
    }

    private static void refused(FastFileStorageClient c, StorePath p) {
        try {
            c.deleteFile(p.getFullPath());
            throw new AssertionError("a file of S3 could be deleted");
        } catch (FdfsServerException expected) {
            Content.check(expected.getErrorCode() == Content.EPERM, "EPERM");
        }
    }

    public static void main(String[] args) throws Exception {
        SpringApplication app = new SpringApplication(SpringSteps.class);
        app.setWebApplicationType(WebApplicationType.NONE);
        try (ConfigurableApplicationContext context = app.run("--fdfs.tracker-list=127.0.0.1:" + args[0],
                "--fdfs.so-timeout=30000", "--fdfs.connect-timeout=10000", "--spring.main.banner-mode=off",
                "--logging.level.root=WARN")) {
            FastFileStorageClient c = context.getBean(FastFileStorageClient.class);
            for (int size : Content.SIZES)
                file(c, size);
            appender(c, context.getBean(AppendFileStorageClient.class));
            for (int i = 1; i + 1 < args.length; i += 2) {
                StorePath p = StorePath.parseFromUrl(args[i]);
                refused(c, p);
                Content.check(Content.md5(fetch(c, p)).equals(args[i + 1]), args[i]);
            }
            for (int size : Content.KEPT)
                System.out.println("kept " + c.uploadFile(in(Content.of(size)), size, "bin", null).getFullPath() + " "
                        + Content.md5(Content.of(size)));
        }
        System.out.println("ok");
    }
}
