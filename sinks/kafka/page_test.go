package kafka_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/fairlead-dev/fairlead/internal/testpages"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/kafka"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// table is what a topic tells, by the keys of its records. What is deleted stays in it, to
// tell that an older record is older.
type table map[string]object

type object struct {
	order   string         // term and sequence, of 20 digits each
	event   pipeline.Event // the last one that is known; empty if compaction has dropped it
	deleted time.Time      // when it was deleted; zero: it is there
}

// take applies a record. Of two records of a key the one with the higher term is right and,
// of the same term, the one with the higher sequence. So repeats change nothing, nor does
// what a process writes late that was the leader before.
func (t table) take(r *kgo.Record) error {
	header := map[string]string{}
	for _, h := range r.Headers {
		header[h.Key] = string(h.Value)
	}
	was := t[string(r.Key)]
	now := object{order: header["ce_term"] + header["ce_sequence"], event: was.event}
	if now.order < was.order {
		return nil
	}
	written := r.Timestamp
	if r.Value == nil {
		// A tombstone. With tombstones=only its headers tell the time. Else that of the
		// event before it, of the same order, is known, or compaction has dropped it.
		now.deleted = written
		if at, err := time.Parse(time.RFC3339Nano, header["ce_time"]); err == nil {
			now.deleted = at
		} else if now.order == was.order && !was.deleted.IsZero() {
			now.deleted = was.deleted
		}
	} else {
		e, err := pipeline.ParseEvent(r.Value)
		if err != nil {
			return fmt.Errorf("topic %s, partition %d, offset %d: %w", r.Topic, r.Partition, r.Offset, err)
		}
		if now.event = e; e.Op() == pipeline.Deleted {
			now.deleted = cmp.Or(e.Time, written)
		}
	}
	t[string(r.Key)] = now
	return nil
}

// takeAll applies what was fetched, and returns how many records that were. The error tells
// what is no event, and every partition that cannot be read for now.
// All others are applied: go on.
func (t table) takeAll(fetches kgo.Fetches) (n int, err error) {
	var errs []error
	fetches.EachRecord(func(r *kgo.Record) {
		n++
		errs = append(errs, t.take(r))
	})
	fetches.EachError(func(topic string, partition int32, err error) {
		errs = append(errs, fmt.Errorf("topic %s, partition %d: %w", topic, partition, err))
	})
	return n, errors.Join(errs...)
}

// images returns in how many Pods of which cluster an image runs.
func (t table) images() (map[string]int, error) {
	running := map[string]int{}
	for _, o := range t {
		if !o.deleted.IsZero() || o.event.Kind != "Pod" {
			continue
		}
		var pod struct {
			Spec struct {
				Containers []struct{ Image string }
			}
		}
		if err := json.Unmarshal(o.event.Data, &pod); err != nil {
			return nil, fmt.Errorf("%s: %w", o.event.Subject, err)
		}
		for _, c := range pod.Spec.Containers {
			running[o.event.Cluster+" "+c.Image]++
		}
	}
	return running, nil
}

// gone returns the keys of what was deleted since then, and is not there again.
func (t table) gone(since time.Time) (keys []string) {
	for key, o := range t {
		if o.deleted.After(since) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// The code that the page shows answers its questions from what the sink has written, also
// after a process that was the leader before has written late: Kafka takes that.
func TestPageAnswersItsQuestions(t *testing.T) {
	c := start(t)
	old, next := open(t, c, nil), open(t, c, nil)
	write := func(s *kafka.Sink, batch ...*pipeline.Change) {
		t.Helper()
		if err := s.Write(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	story := sinktest.Fleet()
	write(old, story.First...)
	write(next, story.Then...)
	write(old, story.Late...)

	wanted := int64(0)
	for _, p := range c.PartitionInfos("fairlead") {
		wanted += p.HighWatermark
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.ConsumeTopics("fairlead"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	known := table{}
	for read := int64(0); read < wanted; {
		n, err := known.takeAll(client.PollFetches(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		read += int64(n)
	}
	got, err := known.images()
	if err != nil {
		t.Fatal(err)
	}
	story.Answers(t, got, known.gone(time.Now().Add(-time.Hour)))
}

// What the page has kcat print is, by its jq, the deletions of which there are events.
func asksJQ(t *testing.T, block string) {
	c := start(t)
	s := open(t, c, nil)
	batch := []*pipeline.Change{
		sinktest.Pod("edge", "web-1", "app:1", 3, 1), sinktest.Pod("edge", "gone", "app:1", 3, 2),
		sinktest.Gone(sinktest.Pod("edge", "gone", "app:1", 3, 3)), sinktest.Gone(sinktest.Pod("far", "gone", "app:1", 3, 3)),
	}
	if err := s.Write(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	var printed bytes.Buffer
	for _, r := range c.records("fairlead") {
		fmt.Fprintf(&printed, "%s\n", r.Value) // of a tombstone an empty line
	}
	var told []string
	for _, line := range testpages.JQ(t, block, printed.Bytes()) {
		_, what, _ := strings.Cut(line, "\t") // behind the time
		told = append(told, what)
	}
	slices.Sort(told)
	if diff := gocmp.Diff([]string{"edge\tPod\tns\tgone", "far\tPod\tns\tgone"}, told); diff != "" {
		t.Errorf("what jq prints (-want +got):\n%s", diff)
	}
}

// What was deleted is told with the time of its deletion, also if there is no event of it:
// with tombstones=only, and where compaction has left nothing but the tombstone.
func TestPageKnowsTombstones(t *testing.T) {
	now := time.Now()
	for _, tombstones := range []string{kafka.Both, kafka.Only, kafka.None} {
		for _, compacted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, compacted: %v", tombstones, compacted), func(t *testing.T) {
				c := start(t)
				s := open(t, c, func(o *kafka.Options) {
					o.Topic, o.Tombstones = "of-pods", tombstones
					o.Create = &kafka.Create{Partitions: 1, Replicas: 1, Compact: compacted}
				})
				ancient := sinktest.Gone(sinktest.Pod("edge", "ancient", "app:0", 3, 3))
				ancient.Observed = now.Add(-24 * time.Hour)
				for _, batch := range [][]*pipeline.Change{
					{sinktest.Pod("edge", "a", "app:1", 3, 1), sinktest.Pod("edge", "there", "app:1", 3, 1), ancient},
					{sinktest.Gone(sinktest.Pod("edge", "a", "app:1", 3, 2))},
					{sinktest.Pod("edge", "there", "app:1", 3, 4)}, // the last batch is not compacted
				} {
					if err := s.Write(t.Context(), batch); err != nil {
						t.Fatal(err)
					}
				}
				c.Compact()
				of := 0
				known := table{}
				for _, r := range c.records("of-pods") {
					if string(r.Key) == "edge/pods/ns/a" {
						of++
					}
					if err := known.take(r); err != nil {
						t.Fatal(err)
					}
				}
				if compacted && of != 1 {
					t.Errorf("a has %d records, want one that compaction leaves", of)
				}
				want := []string{"edge/pods/ns/a"}
				if compacted && tombstones == kafka.Both {
					want = append(want, "edge/pods/ns/ancient") // nothing but when it was written is left
				}
				if diff := gocmp.Diff(want, known.gone(now.Add(-time.Hour))); diff != "" {
					t.Errorf("what was deleted (-want +got):\n%s", diff)
				}
				if got := known["edge/pods/ns/there"]; !got.deleted.IsZero() {
					t.Errorf("what is there was deleted at %s", got.deleted)
				}
			})
		}
	}
}

// A record that is no event, and a partition that cannot be read, are told, and keep
// nothing else from being taken.
func TestPageLosesNoRecords(t *testing.T) {
	c := start(t)
	s := open(t, c, nil)
	write := func(changes ...*pipeline.Change) {
		t.Helper()
		if err := s.Write(t.Context(), changes); err != nil {
			t.Fatal(err)
		}
	}
	write(sinktest.Pod("edge", "a", "app:1", 3, 1))
	client, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	strange := &kgo.Record{Topic: "fairlead", Key: []byte("strange"), Value: []byte("no event")}
	if err := client.ProduceSync(t.Context(), strange).FirstErr(); err != nil {
		t.Fatal(err)
	}
	write(sinktest.Pod("edge", "a", "app:2", 3, 2), sinktest.Pod("edge", "b", "app:2", 3, 3))

	fetched := []kgo.FetchPartition{{Partition: 7, Err: kerr.NotLeaderForPartition}}
	for _, r := range c.records("fairlead") {
		fetched = append(fetched, kgo.FetchPartition{Partition: r.Partition, Records: []*kgo.Record{r}})
	}
	known := table{}
	n, err := known.takeAll(kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: "fairlead", Partitions: fetched}}}})
	if n != 4 || !errors.Is(err, kerr.NotLeaderForPartition) || !strings.Contains(err.Error(), "partition 7") || !strings.Contains(err.Error(), "parse event") {
		t.Errorf("%d records, %v, want four, and both errors", n, err)
	}
	got, err := known.images()
	if diff := gocmp.Diff(map[string]int{"edge app:2": 2}, got); diff != "" || err != nil {
		t.Errorf("%v, images (-want +got):\n%s", err, diff)
	}
}
