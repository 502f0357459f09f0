package s3_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/fairlead-dev/fairlead/internal/testpages"
	"github.com/fairlead-dev/fairlead/internal/testsinks"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// latest returns the last event of each object that the segments below a prefix tell of. Of
// two events of an object the one with the higher term is right and, of the same term, the one
// with the higher sequence, whatever the order of the segments is. So repeats change nothing,
// nor does what a process writes late that was the leader before.
func latest(ctx context.Context, client *minio.Client, bucket, prefix string) (map[pipeline.Key]pipeline.Event, error) {
	last := map[pipeline.Key]pipeline.Event{}
	for o := range client.ListObjectsIter(ctx, bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			return nil, o.Err
		}
		segment, err := client.GetObject(ctx, bucket, o.Key, minio.GetObjectOptions{})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.Key, err)
		}
		err = each(segment, func(e pipeline.Event) {
			was := last[e.Key()]
			if e.Term > was.Term || e.Term == was.Term && e.Sequence > was.Sequence {
				last[e.Key()] = e
			}
		})
		_ = segment.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.Key, err)
		}
	}
	return last, nil
}

// each calls take with the events of a segment, which is compressed with zstd.
func each(segment io.Reader, take func(pipeline.Event)) error {
	decoder, err := zstd.NewReader(segment)
	if err != nil {
		return err
	}
	defer decoder.Close()
	lines := bufio.NewScanner(decoder)
	lines.Buffer(nil, 64<<20) // an event may have tens of MiB
	for lines.Scan() {
		e, err := pipeline.ParseEvent(lines.Bytes())
		if err != nil {
			return err
		}
		take(e)
	}
	return lines.Err()
}

// images returns in how many Pods of which cluster an image runs.
func images(last map[pipeline.Key]pipeline.Event) (map[string]int, error) {
	running := map[string]int{}
	for key, e := range last {
		if e.Op() == pipeline.Deleted || e.Kind != "Pod" {
			continue
		}
		var pod struct {
			Spec struct {
				Containers []struct{ Image string }
			}
		}
		if err := json.Unmarshal(e.Data, &pod); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		for _, c := range pod.Spec.Containers {
			running[key.Cluster+" "+c.Image]++
		}
	}
	return running, nil
}

// gone returns when what is not there any more was deleted, of what was deleted since then.
func gone(last map[pipeline.Key]pipeline.Event, since time.Time) map[string]time.Time {
	deleted := map[string]time.Time{}
	for key, e := range last {
		if e.Op() == pipeline.Deleted && e.Time.After(since) {
			deleted[key.String()] = e.Time
		}
	}
	return deleted
}

// The code that the page shows answers its questions from the segments of a real server. The
// leader of term 3 is late with what it has read before the one of term 4.
func TestPageAnswersItsQuestions(t *testing.T) {
	s := testsinks.StartVersityGW(t, nil)
	sink, story := open(t, options(s)), sinktest.Fleet()
	for _, batch := range [][]*pipeline.Change{story.First, story.Then, story.Late} {
		for range 2 { // once more, with another neighbour
			if err := sink.Write(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			batch = batch[:1]
		}
	}
	client, err := minio.New(s.Host, &minio.Options{Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, "")})
	if err != nil {
		t.Fatal(err)
	}
	last, err := latest(t.Context(), client, s.Bucket, options(s).Prefix+"/v1/")
	if err != nil {
		t.Fatal(err)
	}
	got, err := images(last)
	if err != nil {
		t.Fatal(err)
	}
	story.Answers(t, got, slices.Collect(maps.Keys(gone(last, time.Now().Add(-time.Hour)))))
	if _, err := latest(t.Context(), client, "nowhere", ""); err == nil {
		t.Error("a bucket that there is not is empty")
	}

	// With jq, of one cluster, each event once.
	var lines bytes.Buffer
	for _, key := range objects(t, s) {
		if ok, err := filepath.Match("audit/a b/v1/cluster=edge/*/*/*.ndjson.zst", key); err != nil || !ok {
			continue
		}
		file, err := os.Open(filepath.Join(s.Folder, s.Bucket, key))
		if err != nil {
			t.Fatal(err)
		}
		decoder, err := zstd.NewReader(file)
		if err != nil {
			t.Fatal(err)
		}
		_, err = lines.ReadFrom(decoder)
		decoder.Close()
		if _ = file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var told []string
	for _, line := range testpages.JQ(t, testpages.Read(t, page).After("what was deleted in one hour"), lines.Bytes()) {
		_, what, _ := strings.Cut(line, "\t")
		told = append(told, what)
	}
	slices.Sort(told)
	want := []string{"edge\t/api/v1/namespaces/ns/pods/ancient", "edge\t/api/v1/namespaces/ns/pods/back", "edge\t/api/v1/namespaces/ns/pods/gone"}
	if diff := gocmp.Diff(want, told); diff != "" {
		t.Errorf("what jq prints (-want +got):\n%s", diff)
	}
}
