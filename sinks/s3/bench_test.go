package s3_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/fairlead-dev/fairlead/internal/sinkbench"
	"github.com/fairlead-dev/fairlead/internal/testsinks"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// BenchmarkSink writes segments of 2,000 changes of about 2.7 KB through the sink, and the same
// lines through minio-go directly: compressed with the same encoder, one PUT each.
func BenchmarkSink(b *testing.B) {
	const n = 2000
	var batch []*pipeline.Change
	plain := 0
	for i := range n {
		c := change("bench", i)
		c.Object = pod(i)
		batch = append(batch, c)
		plain += len(c.AppendCloudEvent(nil)) + 1
	}
	s := testsinks.StartVersityGW(b, nil)
	b.Run("sink=s3/what=segments/impl=fairlead", func(b *testing.B) {
		sink := open(b, options(s))
		client, err := minio.New(s.Host, &minio.Options{Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Region: "us-east-1"})
		if err != nil {
			b.Fatal(err)
		}
		encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(2<<20))
		if err != nil {
			b.Fatal(err)
		}
		var lines, body []byte
		sinkbench.Compare(b, n, nil,
			func(int) error { return sink.Write(b.Context(), batch) },
			func(int) error {
				lines = lines[:0]
				for _, c := range batch {
					lines = append(c.AppendCloudEvent(lines), '\n')
				}
				body = encoder.EncodeAll(lines, body[:0])
				_, err := client.PutObject(b.Context(), s.Bucket, "direct.zst", bytes.NewReader(body), int64(len(body)), minio.PutObjectOptions{SendContentMd5: true, DisableContentSha256: true})
				return err
			})
	})
	var size int64
	for _, key := range objects(b, s) {
		if info, err := os.Stat(filepath.Join(s.Folder, s.Bucket, key)); err == nil && strings.HasSuffix(key, ".ndjson.zst") {
			size = info.Size()
		}
	}
	b.Logf("a segment of %d bytes has %d compressed", plain, size)
}

// pod is like one, of about 2.3 KB, and unlike the others.
func pod(i int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-%x","namespace":"team-%d","labels":{"app":"web","pod-template-hash":"%08x"}},"spec":{"containers":[`, i*7919, i%17, i*2654435761)
	for c := range 4 {
		fmt.Fprintf(&b, `{"name":"c%d","image":"registry.example/team/app-%d@sha256:%032x%032x","env":[{"name":"A","value":"%x"},{"name":"B","value":"%x"}],"resources":{"limits":{"cpu":"500m","memory":"%dMi"}}},`, c, i%31, i*48271+c, i*16807+c, i*69621, i*40692, 64+i%512)
	}
	fmt.Fprintf(&b, `{"name":"last"}],"nodeName":"node-%d"},"status":{"phase":"Running","podIP":"10.%d.%d.%d","note":"%s"}}`, i%101, i%251, i%241, i%239, strings.Repeat(fmt.Sprintf("%x ", i*7), 120))
	return b.Bytes()
}
