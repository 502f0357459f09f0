package app

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/internal/testsinks"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// TestSegments delivers to a bucket that is not there at first, and then to a store that is
// restarted: the status says what to do, no change becomes a dead letter, and in the end the
// segments tell what the cluster has.
func TestSegments(t *testing.T) {
	store := testsinks.StartVersityGW(t, nil)
	env := testenv.Start(t, testenv.Spec{Name: "alpha"})
	o := newObjects(t, env.Cluster("alpha"), "segments")
	for _, name := range []string{"a", "b", "c", "d"} {
		o.create(name)
	}
	dir := t.TempDir()
	keys, dead := filepath.Join(dir, "keys"), filepath.Join(dir, "dead")
	writeFile(t, keys, "[default]\naws_access_key_id = "+store.AccessKey+"\naws_secret_access_key = a-wr0ng-secret\n")
	bucket := filepath.Join(store.Folder, "later")
	r := start(t, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("alpha")), "--watch=configmaps?namespace=segments",
		"--dead-letter="+dead, "--sink=s3://"+store.Host+"/later/x?tls=false&age=1s&credentials=file&credentials-file="+keys)
	says := func(what string) {
		t.Helper()
		r.await("the status says "+what, func() bool {
			s := r.program.status(time.Now()).Sinks[0]
			if strings.Contains(s.LastError, "wr0ng") {
				t.Fatalf("it shows the secret: %s", s.LastError)
			}
			return !s.Healthy && strings.Contains(s.LastError, what)
		})
	}
	says("the keys are wrong")
	writeFile(t, keys, "[default]\naws_access_key_id = "+store.AccessKey+"\naws_secret_access_key = "+store.SecretKey+"\n")
	says("make the bucket")
	if err := os.Mkdir(bucket, 0o700); err != nil {
		t.Fatal(err)
	}
	same := func() {
		t.Helper()
		want := o.list()
		r.await("the segments tell what the cluster has", func() bool {
			got := map[string]string{}
			for _, e := range segments(t, bucket) {
				if e.Name != "kube-root-ca.crt" {
					apply(got, e)
				}
			}
			return maps.Equal(want, got)
		})
	}
	same()
	store.Kill(t)
	o.patch("a", "1")
	o.delete("b")
	o.create("e")
	says("refused")
	store.Start(t)
	same()
	if text, err := os.ReadFile(dead); len(text) > 0 {
		t.Errorf("dead letters: %s, %v", text, err)
	}
}

// segments returns the events of a bucket in the order of term and sequence.
func segments(t *testing.T, bucket string) (all []pipeline.Event) {
	t.Helper()
	err := filepath.WalkDir(bucket, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".ndjson.zst") {
			return err
		}
		file := must(os.Open(path))(t)
		defer file.Close()
		decoder := must(zstd.NewReader(file))(t)
		defer decoder.Close()
		lines := bufio.NewReader(decoder)
		for {
			line, err := lines.ReadBytes('\n')
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			all = append(all, must(pipeline.ParseEvent(line))(t))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(all, func(a, b pipeline.Event) int {
		return cmp.Or(cmp.Compare(a.Term, b.Term), cmp.Compare(a.Sequence, b.Sequence))
	})
	return all
}
