package s3_test

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/testsinks"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/s3"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// keys are always the same.
func keys(access, secret string) s3.Source {
	return func(context.Context, *http.Client) (s3.Keys, error) {
		return s3.Keys{AccessKeyID: access, SecretAccessKey: secret}, nil
	}
}

// options are for a server without TLS.
func options(s *testsinks.S3) s3.Options {
	return s3.Options{Host: s.Host, Bucket: s.Bucket, Prefix: "audit/a b", Credentials: keys(s.AccessKey, s.SecretKey), UserAgent: "fairlead/test"}
}

func open(t testing.TB, o s3.Options) *s3.Sink {
	t.Helper()
	s, err := s3.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// objects returns the keys of a bucket, sorted.
func objects(t testing.TB, s *testsinks.S3) (all []string) {
	t.Helper()
	root := filepath.Join(s.Folder, s.Bucket)
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			path, err = filepath.Rel(root, path)
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// readEvents is how a consumer reads a bucket: all segments, each event once, in the order
// of term and sequence.
func readEvents(t testing.TB, s *testsinks.S3) []pipeline.Event {
	t.Helper()
	var all []pipeline.Event
	for _, key := range objects(t, s) {
		all = append(all, readSegment(t, filepath.Join(s.Folder, s.Bucket, key))...)
	}
	slices.SortStableFunc(all, func(a, b pipeline.Event) int {
		return cmp.Or(cmp.Compare(a.Term, b.Term), cmp.Compare(a.Sequence, b.Sequence))
	})
	type id struct{ source, id string }
	seen := map[id]bool{}
	return slices.DeleteFunc(all, func(e pipeline.Event) bool {
		key := id{e.Source, e.ID}
		again := seen[key]
		seen[key] = true
		return again
	})
}

func readSegment(t testing.TB, path string) (events []pipeline.Event) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var in io.Reader = file
	if strings.HasSuffix(path, ".zst") {
		decoder, err := zstd.NewReader(file, zstd.WithDecoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		defer decoder.Close()
		in = decoder
	}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return events
		}
		if err != nil {
			t.Fatalf("read %s: %v", path, err)
		}
		e, err := pipeline.ParseEvent(line)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		events = append(events, e)
	}
}

var began = time.Date(2026, 11, 27, 23, 59, 58, 0, time.FixedZone("", 3600))

// change is number n of a cluster's.
func change(cluster string, n int) *pipeline.Change {
	return &pipeline.Change{
		Key: pipeline.Key{Cluster: cluster, Resource: "configmaps", Namespace: "ns", Name: fmt.Sprint("cm-", n)},
		Origin: &pipeline.Origin{
			Cluster: cluster, ClusterUID: "uid of " + cluster, Kind: "ConfigMap", Namespaced: true, Term: 3,
			Resource: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"},
		},
		Op: pipeline.Added, UID: types.UID(fmt.Sprint("u-", n)), ResourceVersion: fmt.Sprint(n),
		Object: fmt.Appendf(nil, `{"data":{"n":"%d"}}`, n), Observed: began.Add(time.Duration(n) * time.Minute), Sequence: uint64(100 + n),
	}
}
