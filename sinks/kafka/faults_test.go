package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/kafka"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

var origin = &pipeline.Origin{
	Cluster: "alpha", ClusterUID: "6d1f0b1e", Kind: "ConfigMap", Namespaced: true, Term: 3,
	Resource: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"},
}

// change returns a state of an object, of so many bytes that compression cannot make
// much less.
func change(name string, sequence uint64, size int) *pipeline.Change {
	text := make([]byte, size)
	x := uint32(len(name)) + uint32(sequence)
	for i := range text {
		x = x*1664525 + 1013904223
		text[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[x>>26]
	}
	return &pipeline.Change{
		Key:    pipeline.Key{Cluster: "alpha", Resource: "configmaps", Namespace: "ns", Name: name},
		Origin: origin, Op: pipeline.Updated, UID: types.UID("uid of " + name), ResourceVersion: strconv.FormatUint(sequence, 10), Sequence: sequence,
		Object: fmt.Appendf(nil, `{"kind":"ConfigMap","data":{"k":%q}}`, text),
	}
}

func deletion(name string, sequence uint64) *pipeline.Change {
	c := change(name, sequence, 0)
	c.Op, c.Object, c.Tombstone = pipeline.Deleted, nil, true
	return c
}

// sequences returns those of the events of an object, in their order.
func (c *cluster) sequences(name string) (all []uint64) {
	for _, e := range c.events() {
		if e.Name == name {
			all = append(all, uint64(e.Sequence))
		}
	}
	return all
}

func TestMissingTopicIsNamedAndNotMade(t *testing.T) {
	c := start(t, kfake.AllowAutoTopicCreation())
	s := open(t, c, func(o *kafka.Options) { o.Topic = "missing" })
	for range 2 {
		sinktest.Fails(t, s.Write(t.Context(), []*pipeline.Change{change("a", 1, 9)}), `"missing"`, "does not exist", "create")
	}
	sinktest.Fails(t, s.Check(t.Context()), `"missing"`, "create")
	if c.TopicInfo("missing") != nil {
		t.Fatal("the topic was made")
	}

	s = open(t, c, func(o *kafka.Options) {
		o.Topic, o.Create = "missing", &kafka.Create{Partitions: 5, Replicas: 1, Compact: true}
	})
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("Check, before the topic is made: %v", err)
	}
	if err := s.Write(t.Context(), []*pipeline.Change{change("a", 1, 9)}); err != nil {
		t.Fatal(err)
	}
	info := c.TopicInfo("missing")
	if info == nil || len(c.PartitionInfos("missing")) != 5 || info.Configs["cleanup.policy"] == nil || *info.Configs["cleanup.policy"] != "compact" {
		t.Errorf("made as %+v", info)
	}
}

// Of several topics one is missing: the others' changes are accepted.
func TestOneOfTheTopicsIsMissing(t *testing.T) {
	c := start(t, kfake.SeedTopics(1, "f.alpha.configmaps"))
	s := open(t, c, func(o *kafka.Options) { o.Topic = "f.{cluster}.{resource}" })
	other := change("b", 1, 9)
	other.Key.Resource = "pods"
	err := s.Write(t.Context(), []*pipeline.Change{change("a", 1, 9), other, change("c", 1, 9)})
	partial, ok := errors.AsType[*pipeline.BatchError](err)
	if !ok || len(partial.Failed) != 1 || partial.Failed[1] == nil || pipeline.IsPermanent(partial.Failed[1]) || !strings.Contains(partial.Failed[1].Error(), "f.alpha.pods") {
		t.Fatalf("Write: %v, want the change at 1 to be refused for now", err)
	}
	if n := len(c.records("f.alpha.configmaps")); n != 2 {
		t.Errorf("%d records, want 2", n)
	}
}

// The check of a template warns if no topic is there that it may name. The sink is healthy
// then: there is nothing to write yet. Topics of the brokers are none of the template's.
func TestCheckOfATemplate(t *testing.T) {
	for topic, want := range map[string]string{
		"":                     "no topic",
		"other":                "no topic that this user may see",
		"f.alpha":              "no topic that this user may see",
		"xf.alpha.pods":        "no topic that this user may see",
		"f.alpha.pods":         "",
		"f.a_2Eb.leases.co.io": "",
		"f." + strings.Repeat("n", 214) + "_0123456789abcdef0123456789abcdef": "",
	} {
		c := start(t)
		if topic != "" {
			c = start(t, kfake.SeedTopics(1, topic))
		}
		s := open(t, c, func(o *kafka.Options) { o.Topic = "f.{cluster}.{resource}" })
		err := s.Check(t.Context())
		if want != "" {
			sinktest.Fails(t, err, want, `"f.{cluster}.{resource}"`)
			if !sinks.IsCaution(err) {
				t.Errorf("%s: %v, want a caution", topic, err)
			}
		} else if err != nil {
			t.Errorf("%s: %v", topic, err)
		}
		s = open(t, c, func(o *kafka.Options) { o.Topic, o.Create = "f.{cluster}.{resource}", &kafka.Create{} })
		if err := s.Check(t.Context()); err != nil {
			t.Errorf("%s, and topics are made: %v", topic, err)
		}
	}
}

// TestTemplateThatBeginsWithACluster: topics of brokers and of tools are not taken for those of
// a cluster.
func TestTemplateThatBeginsWithACluster(t *testing.T) {
	for topic, want := range map[string]bool{
		"__consumer_offsets": false, "__transaction_state": false, "_schemas": false, "alpha.pods": false,
		"alpha": true, "_41lpha": true, strings.Repeat("n", 216) + "_0123456789abcdef0123456789abcdef": true,
	} {
		if got := kafka.MayName("{cluster}", topic); got != want {
			t.Errorf("{cluster} may name %s: %v, want %v", topic, got, want)
		}
	}
	if !kafka.MayName("__audit.{cluster}", "__audit.alpha") {
		t.Error("a template's own underscores do not count")
	}
	c := start(t, kfake.SeedTopics(1, "alpha"))
	c.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if r.(*kmsg.MetadataRequest).Topics != nil {
			return nil, nil, false
		}
		answer := r.ResponseKind().(*kmsg.MetadataResponse)
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic, topic.IsInternal = kmsg.StringPtr("alpha"), true
		answer.Topics = append(answer.Topics, topic)
		return answer, nil, true
	})
	s := open(t, c, func(o *kafka.Options) { o.Topic = "{cluster}" })
	if err := s.Check(t.Context()); !sinks.IsCaution(err) {
		t.Errorf("with an internal topic only: %v, want a caution", err)
	}
}

func TestTooLargeIsThatRecordOnly(t *testing.T) {
	c := start(t, kfake.BrokerConfigs(map[string]string{"message.max.bytes": "20000"}))
	s := open(t, c, func(o *kafka.Options) { o.Compression = "none" })
	batch := []*pipeline.Change{
		change("a", 1, 9), change("large", 1, 30_000), change("b", 1, 9), change("large", 2, 9), change("c", 1, 9_000), change("d", 1, 9_000), change("e", 1, 9_000),
	}
	err := s.Write(t.Context(), batch)
	partial, ok := errors.AsType[*pipeline.BatchError](err)
	if !ok || len(partial.Failed) != 1 || !pipeline.IsPermanent(partial.Failed[1]) || !strings.Contains(partial.Failed[1].Error(), "max.message.bytes") {
		t.Fatalf("Write: %v, want the change at 1 to be refused for good", err)
	}
	for name, want := range map[string]uint64{"a": 1, "b": 1, "large": 2, "c": 1, "d": 1, "e": 1} {
		if got := c.sequences(name); len(got) == 0 || got[len(got)-1] != want {
			t.Errorf("of %s the topic has %v, want %d at the end", name, got, want)
		}
	}
}

// A record that is larger than a batch may be is accepted if it is small enough once it
// is compressed, and those behind it of its key stay behind.
func TestLargeRecordsAreCompressedAlone(t *testing.T) {
	c := start(t, kfake.BrokerConfigs(map[string]string{"message.max.bytes": "20000"}))
	s := open(t, c, nil)
	large := change("large", 1, 0)
	large.Object = fmt.Appendf(nil, `{"data":%q}`, strings.Repeat("a", 1<<20))
	if err := s.Write(t.Context(), []*pipeline.Change{large, change("large", 2, 9), change("large", 3, 9)}); err != nil {
		t.Fatal(err)
	}
	if got := c.sequences("large"); got[len(got)-1] != 3 || got[len(got)-2] != 2 || got[len(got)-3] != 1 {
		t.Errorf("the topic has %v, want 1 2 3 at the end", got)
	}
}

// The broker takes less than the client was told: of a batch that it refuses each
// record is sent alone.
func TestTheBrokerFindsABatchTooLarge(t *testing.T) {
	c := start(t, kfake.BrokerConfigs(map[string]string{"message.max.bytes": "20000"}), kfake.SeedTopics(1, "fairlead"))
	fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: kerr.TopicAuthorizationFailed, Count: -1})
	defer fault.Remove()
	s := open(t, c, func(o *kafka.Options) { o.Compression = "none" })
	var batch []*pipeline.Change
	for i := range 10 {
		batch = append(batch, change(fmt.Sprint("o", i%5), uint64(i+1), 3_000))
	}
	if err := s.Write(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if got := c.sequences(fmt.Sprint("o", i)); len(got) < 2 || got[len(got)-1] != uint64(i+6) {
			t.Errorf("of o%d the topic has %v", i, got)
		}
	}
}

// An answer to a request that was carried out is lost: the producer sends it again, and
// the broker drops it.
func TestLostAnswersDoubleNothing(t *testing.T) {
	c := start(t)
	s := open(t, c, nil)
	if err := s.Write(t.Context(), []*pipeline.Change{change("a", 1, 9)}); err != nil {
		t.Fatal(err)
	}
	var lost atomic.Int32
	c.wire.set(nil, func([]byte) bool { return lost.Add(1) == 1 })
	if err := s.Write(t.Context(), []*pipeline.Change{change("a", 2, 9), change("a", 3, 9)}); err != nil {
		t.Fatal(err)
	}
	if got := c.sequences("a"); lost.Load() < 2 || fmt.Sprint(got) != "[1 2 3]" {
		t.Errorf("the topic has %v after %d answers", got, lost.Load())
	}
}

// A broker that says no for now is asked again, and named if it goes on.
func TestTransientErrors(t *testing.T) {
	for _, err := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.CoordinatorLoadInProgress, kerr.UnknownServerError} {
		c := start(t)
		fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: err, Count: 1})
		s := open(t, c, nil)
		batch := []*pipeline.Change{change("a", 1, 9), change("a", 2, 9)}
		got := s.Write(t.Context(), batch)
		if got != nil {
			sinktest.Fails(t, got)
			got = s.Write(t.Context(), batch)
		}
		if all := c.sequences("a"); got != nil || fault.Hits() != 1 || all[len(all)-1] != 2 {
			t.Errorf("%s: %v, %d hits, the topic has %v", err.Message, got, fault.Hits(), all)
		}
	}
}

func TestNotEnoughReplicasIsNamed(t *testing.T) {
	c := start(t)
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1})
	s := open(t, c, func(o *kafka.Options) { o.Timeout = time.Minute })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	sinktest.Fails(t, s.Write(ctx, []*pipeline.Change{change("a", 1, 9)}), "min.insync.replicas")
}

// A record without a value is a tombstone, and the last of what is deleted; nothing
// else is.
func TestTombstones(t *testing.T) {
	for _, binding := range []string{kafka.Structured, kafka.Binary} {
		for tombstones, want := range map[string][]bool{kafka.Both: {false, false, true, false}, kafka.Only: {false, true, false}, kafka.None: {false, false, false}} {
			c := start(t)
			s := open(t, c, func(o *kafka.Options) { o.Binding, o.Tombstones = binding, tombstones })
			if err := s.Write(t.Context(), []*pipeline.Change{change("a", 1, 9), deletion("a", 2), change("a", 3, 9)}); err != nil {
				t.Fatal(err)
			}
			var nothing []bool
			all := c.records("fairlead")
			for _, r := range all {
				if r.Partition != all[0].Partition {
					t.Errorf("%s, %s: records of one object are in partitions %d and %d", binding, tombstones, r.Partition, all[0].Partition)
				}
				nothing = append(nothing, r.Value == nil)
				if string(r.Key) != "alpha/configmaps/ns/a" || header(r, "ce_term") != "00000000000000000003" || len(header(r, "ce_sequence")) != 20 {
					t.Errorf("%s, %s: a record has key %s and headers %v", binding, tombstones, r.Key, r.Headers)
				}
				if bytes.Equal(r.Value, []byte("")) && r.Value != nil {
					t.Errorf("%s, %s: a value is empty", binding, tombstones)
				}
			}
			if fmt.Sprint(nothing) != fmt.Sprint(want) {
				t.Errorf("%s, %s: without a value are %v, want %v", binding, tombstones, nothing, want)
			}
			events := c.events()
			if n := len(events); events[n-1].Sequence != 3 || events[n-2].Op() != pipeline.Deleted && tombstones != kafka.Only {
				t.Errorf("%s, %s: events %+v", binding, tombstones, events)
			}
		}
	}
}
