package kafka_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/kafka"
)

// table is what a topic tells, by the keys of its records. What is deleted stays in it, to
// tell that an older record is older.
type table map[string]object

type object struct {
	order   string // term and sequence, of 20 digits each
	event   pipeline.Event
	deleted bool
}

// take applies a record. Of two records of a key the one with the higher term is right and,
// of the same term, the one with the higher sequence. So repeats change nothing, nor does
// what a process writes late that was the leader before.
func (t table) take(r *kgo.Record) error {
	var term, sequence string
	for _, h := range r.Headers {
		switch h.Key {
		case "ce_term":
			term = string(h.Value)
		case "ce_sequence":
			sequence = string(h.Value)
		}
	}
	was := t[string(r.Key)]
	now := object{order: term + sequence, event: was.event, deleted: true}
	if now.order < was.order {
		return nil
	}
	if r.Value != nil { // else it is a tombstone, of the same order as the event before it
		e, err := pipeline.ParseEvent(r.Value)
		if err != nil {
			return fmt.Errorf("topic %s, partition %d, offset %d: %w", r.Topic, r.Partition, r.Offset, err)
		}
		now.event, now.deleted = e, e.Op() == pipeline.Deleted
	}
	t[string(r.Key)] = now
	return nil
}

// poll waits for records, and takes them. Call it in a loop. It returns how many there were.
func (t table) poll(ctx context.Context, client *kgo.Client) (n int, err error) {
	fetches := client.PollFetches(ctx)
	if err := fetches.Err(); err != nil {
		return 0, err
	}
	for _, r := range fetches.Records() {
		if err := t.take(r); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// images returns in how many Pods of which cluster an image runs.
func (t table) images() (map[string]int, error) {
	running := map[string]int{}
	for _, o := range t {
		if o.deleted || o.event.Kind != "Pod" {
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

// gone returns what was deleted since then, and is not there again.
func (t table) gone(since time.Time) (all []string) {
	for _, o := range t {
		if e := o.event; o.deleted && e.Time.After(since) {
			all = append(all, fmt.Sprintf("%s %s %s/%s", e.Cluster, e.Kind, e.Namespace, e.Name))
		}
	}
	slices.Sort(all)
	return all
}

// runs returns the state of a Pod with one container.
func runs(cluster, name, image string, term, sequence uint64) *pipeline.Change {
	c := change(name, sequence, 0)
	c.Key.Cluster, c.Key.Resource = cluster, "pods"
	c.Origin = &pipeline.Origin{
		Cluster: cluster, ClusterUID: "6d1f0b1e", Kind: "Pod", Namespaced: true, Term: term,
		Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"},
	}
	c.Observed = time.Now()
	c.Object = fmt.Appendf(nil, `{"kind":"Pod","spec":{"containers":[{"image":%q}]}}`, image)
	return c
}

// ends returns the deletion of a Pod.
func ends(c *pipeline.Change) *pipeline.Change {
	c.Op = pipeline.Deleted
	return c
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
	write(old, runs("edge", "web-1", "app:1", 3, 1), runs("edge", "web-2", "app:1", 3, 2), runs("far", "web-1", "app:1", 3, 1), runs("edge", "gone", "app:1", 3, 3))
	ancient := ends(runs("edge", "ancient", "app:0", 3, 4))
	ancient.Observed = time.Now().Add(-24 * time.Hour)
	write(old, ancient)
	write(next, runs("edge", "web-1", "app:2", 4, 5), ends(runs("edge", "gone", "app:1", 4, 6)), ends(runs("edge", "back", "app:1", 4, 7)), runs("edge", "back", "app:2", 4, 8))
	// The leader of term 3 is late with what it has read before the one of term 4.
	write(old, runs("edge", "gone", "app:1", 3, 90), runs("edge", "web-1", "app:1", 3, 91))

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
		n, err := known.poll(t.Context(), client)
		if err != nil {
			t.Fatal(err)
		}
		read += int64(n)
	}
	got, err := known.images()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"edge app:1": 1, "edge app:2": 2, "far app:1": 1}, got); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"edge Pod ns/gone"}, known.gone(time.Now().Add(-time.Hour))); diff != "" {
		t.Errorf("what was deleted (-want +got):\n%s", diff)
	}
}

// A tombstone alone, whose event compaction has dropped, deletes as well.
func TestPageKnowsTombstones(t *testing.T) {
	c := start(t)
	s := open(t, c, func(o *kafka.Options) { o.Tombstones = kafka.Only })
	if err := s.Write(t.Context(), []*pipeline.Change{runs("edge", "a", "app:1", 3, 1), ends(runs("edge", "a", "app:1", 3, 2))}); err != nil {
		t.Fatal(err)
	}
	known := table{}
	for _, r := range c.records("fairlead") {
		if err := known.take(r); err != nil {
			t.Fatal(err)
		}
	}
	if got := known["edge/pods/ns/a"]; !got.deleted || got.event.Name != "a" {
		t.Errorf("%+v, want a that is deleted", got)
	}
}
