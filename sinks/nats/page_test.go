package nats_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-dev/fairlead/internal/testpages"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/nats"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// images returns in how many Pods of which cluster an image runs, from a bucket.
func images(ctx context.Context, bucket jetstream.KeyValue) (map[string]int, error) {
	watcher, err := bucket.Watch(ctx, "*.core.pods.>", jetstream.IgnoreDeletes())
	if err != nil {
		return nil, err
	}
	defer watcher.Stop()
	running := map[string]int{}
	for entry := range watcher.Updates() {
		if entry == nil { // That was all. Later ones are what changes.
			return running, nil
		}
		e, err := pipeline.ParseEvent(entry.Value())
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", entry.Key(), err)
		}
		var pod struct {
			Spec struct {
				Containers []struct{ Image string }
			}
		}
		if err := json.Unmarshal(e.Data, &pod); err != nil {
			return nil, fmt.Errorf("key %s: %w", entry.Key(), err)
		}
		for _, c := range pod.Spec.Containers {
			running[e.Cluster+" "+c.Image]++
		}
	}
	return nil, fmt.Errorf("bucket %s: the watch has ended before all was read", bucket.Bucket())
}

// latest returns the last event of each object that a stream has a message of. Of two events
// of an object the one with the higher term is right and, of the same term, the one with the
// higher sequence, whatever their order in the stream is. So it reads from the beginning: an
// event that is late can stand long behind the right one.
func latest(ctx context.Context, stream jetstream.Stream) (map[pipeline.Key]pipeline.Event, error) {
	info, err := stream.Info(ctx)
	if err != nil || info.State.Msgs == 0 {
		return nil, err
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return nil, err
	}
	defer messages.Stop()
	last := map[pipeline.Key]pipeline.Event{}
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, err
		}
		e, err := pipeline.ParseEvent(m.Data())
		if err != nil {
			return nil, fmt.Errorf("subject %s: %w", m.Subject(), err)
		}
		was, known := last[e.Key()]
		// A deletion tells of its UID. Of what has the name now the stream may have dropped
		// a repeat, and so the number that is above that of the deletion.
		another := known && e.Op() == pipeline.Deleted && was.Op() != pipeline.Deleted && e.UID() != was.UID()
		newer := e.Term > was.Term || e.Term == was.Term && e.Sequence > was.Sequence
		if newer && !another {
			last[e.Key()] = e
		}
		at, err := m.Metadata()
		if err != nil {
			return nil, err
		}
		if at.NumPending == 0 || at.Sequence.Stream >= info.State.LastSeq { // Later ones are what changes.
			return last, nil
		}
	}
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

// The code that the page shows answers its questions from what the sinks have written. The
// leader of term 3 is late with what it has read before the one of term 4. A stream takes
// that, and who reads it orders; a bucket refuses it.
func TestPageAnswersItsQuestions(t *testing.T) {
	p := start(t, nil).make()
	since := time.Now().Add(-time.Hour)
	write := func(s pipeline.Sink, batch ...*pipeline.Change) {
		t.Helper()
		if err := s.Write(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	story := sinktest.Fleet()

	// The right event of this one is older than what is asked for, and that of the old term
	// is late.
	there := sinktest.Pod("edge", "there", "app:3", 4, 9)
	there.Observed = since.Add(-time.Hour)
	story.Then = append(story.Then, there)
	story.Late = append(story.Late, sinktest.Gone(sinktest.Pod("edge", "there", "app:1", 3, 92)))
	// What had this name before is deleted, and the state that comes again after it is
	// dropped as a repeat.
	kept, before := sinktest.Pod("edge", "kept", "app:1", 4, 10), sinktest.Gone(sinktest.Pod("edge", "kept", "app:0", 4, 11))
	before.UID = "before"
	again := sinktest.Pod("edge", "kept", "app:1", 4, 12)
	again.ResourceVersion = kept.ResourceVersion
	story.Then = append(story.Then, kept, before, again)
	story.Images["edge app:1"]++
	story.Images["edge app:3"]++

	old, next := open(t, p, nil), open(t, p, nil)
	write(old, story.First...)
	write(next, story.Then...)
	write(old, story.Late...)
	oldKV, nextKV := openKV(t, p, nil), openKV(t, p, nil)
	write(oldKV, story.First...)
	write(nextKV, story.Then...)
	for _, kv := range []*nats.KV{oldKV, openKV(t, p, nil)} {
		if err := kv.Write(t.Context(), story.Late); !errors.Is(err, pipeline.ErrOldTerm) {
			t.Errorf("changes of an old term: %v", err)
		}
	}

	p.as(func(js jetstream.JetStream) {
		stream, err := js.Stream(t.Context(), "fairlead")
		if err != nil {
			t.Fatal(err)
		}
		before := requests(t, js)
		last, err := latest(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		if n := requests(t, js) - before; n > 6 {
			t.Errorf("%d requests for %d messages, want as many for any number", n, len(p.messages()))
		}
		there := last[kept.Key]
		if e := last[story.First[0].Key]; e.Term != 4 || len(last) != 8 || there.Op() == pipeline.Deleted {
			t.Errorf("of %d objects web-1 is %+v, want that of term 4 of eight, with kept", len(last), e)
		}
		bucket, err := js.KeyValue(t.Context(), "fairlead")
		if err != nil {
			t.Fatal(err)
		}
		got, err := images(t.Context(), bucket)
		if err != nil {
			t.Fatal(err)
		}
		story.Answers(t, got, slices.Collect(maps.Keys(gone(last, since))))
	})
}

// The jq that the page shows has of each Pod of a bucket which image runs where.
func asksJQ(t *testing.T, command string) {
	p := start(t, nil).make()
	kv := openKV(t, p, nil)
	batch := []*pipeline.Change{
		sinktest.Pod("edge", "web-1", "app:1", 3, 1), sinktest.Pod("edge", "web-2", "app:1", 3, 2),
		sinktest.Pod("far", "web-1", "app:2", 3, 1), change("no-pod", 1, 9),
	}
	if err := kv.Write(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	var told []string
	p.as(func(js jetstream.JetStream) {
		bucket, err := js.KeyValue(t.Context(), "fairlead")
		if err != nil {
			t.Fatal(err)
		}
		keys, err := bucket.Keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			if !strings.Contains(key, ".core.pods.") { // what grep leaves out
				continue
			}
			entry, err := bucket.Get(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			told = append(told, testpages.JQ(t, command, entry.Value())...)
		}
	})
	slices.Sort(told)
	if diff := cmp.Diff([]string{"edge\tapp:1", "edge\tapp:1", "far\tapp:2"}, told); diff != "" || !strings.Contains(command, `grep '\.core\.pods\.'`) {
		t.Errorf("of %s (-want +got):\n%s", command, diff)
	}
}

// The code that the page shows reads an empty stream, and one whose last messages are gone.
func TestPageReadsToTheEnd(t *testing.T) {
	p := start(t, nil).make()
	s := open(t, p, nil)
	p.as(func(js jetstream.JetStream) {
		stream, err := js.Stream(t.Context(), "fairlead")
		if err != nil {
			t.Fatal(err)
		}
		if last, err := latest(t.Context(), stream); len(last) != 0 || err != nil {
			t.Errorf("an empty stream: %v, %v", last, err)
		}
		if err := s.Write(t.Context(), []*pipeline.Change{sinktest.Pod("edge", "a", "app:1", 3, 1), sinktest.Pod("edge", "b", "app:1", 3, 2)}); err != nil {
			t.Fatal(err)
		}
		if err := stream.DeleteMsg(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		if last, err := latest(t.Context(), stream); len(last) != 1 || err != nil {
			t.Errorf("a stream without its last message: %v, %v", last, err)
		}
	})
}

// requests returns how many requests about streams and consumers a server has had.
func requests(t *testing.T, js jetstream.JetStream) uint64 {
	t.Helper()
	info, err := js.AccountInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.API.Total
}
