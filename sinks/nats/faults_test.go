package nats_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/loopback"
	"github.com/fairlead-dev/fairlead/internal/tcpline"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/nats"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

func origin(term uint64) *pipeline.Origin {
	return &pipeline.Origin{
		Cluster: "alpha", ClusterUID: "6d1f0b1e", Kind: "ConfigMap", Namespaced: true, Term: term,
		Resource: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"},
	}
}

func change(name string, sequence uint64, size int) *pipeline.Change {
	return &pipeline.Change{
		Key:    pipeline.Key{Cluster: "alpha", Resource: "configmaps", Namespace: "ns", Name: name},
		Origin: origin(3), Op: pipeline.Updated, UID: types.UID("uid of " + name), ResourceVersion: strconv.FormatUint(sequence, 10), Sequence: sequence,
		Object: fmt.Appendf(nil, `{"kind":"ConfigMap","data":{"k":%q}}`, strings.Repeat("x", size)),
	}
}

func TestMissingStreamIsNamedAndNotMade(t *testing.T) {
	p := start(t, nil)
	batch := []*pipeline.Change{change("a", 1, 9)}
	for range 2 {
		sinktest.Fails(t, open(t, p, nil).Write(t.Context(), batch), "fairlead", "create the stream")
		sinktest.Fails(t, openKV(t, p, nil).Write(t.Context(), batch), "fairlead", "the bucket does not exist")
	}
	sinktest.Fails(t, open(t, p, nil).Check(t.Context()), "the stream does not exist")
	sinktest.Fails(t, openKV(t, p, nil).Check(t.Context()), "the bucket does not exist")
	p.as(func(js jetstream.JetStream) {
		for info := range js.ListStreams(t.Context()).Info() {
			t.Errorf("%s was made", info.Config.Name)
		}
	})

	make1 := func(o *nats.Options) { o.Create = &nats.Create{MaxAge: time.Hour} }
	s, kv := open(t, p, make1), openKV(t, p, make1)
	for name, sink := range map[string]interface {
		pipeline.Sink
		sinks.Checker
	}{"stream": s, "bucket": kv} {
		if err := errors.Join(sink.Check(t.Context()), sink.Write(t.Context(), batch)); err != nil {
			t.Errorf("%s, which is to be made: %v", name, err)
		}
	}
	if got := sequences(p.events(), "a"); got != "[1]" || len(p.held(kv)) != 1 {
		t.Errorf("the stream has %s, the bucket %v", got, p.held(kv))
	}
}

func TestTheWrongStream(t *testing.T) {
	p := start(t, nil).make()
	s := open(t, p, func(o *nats.Options) { o.Stream = "other" })
	sinktest.Fails(t, s.Write(t.Context(), []*pipeline.Change{change("a", 1, 9)}), "another stream takes the subjects")
	sinktest.Fails(t, s.Check(t.Context()), "another stream takes the subjects")
	if got := p.messages(); len(got) != 0 {
		t.Errorf("%d messages are in it", len(got))
	}
}

func TestTooLargeIsThatMessageOnly(t *testing.T) {
	p := start(t, nil).make()
	p.as(func(js jetstream.JetStream) {
		_, err := js.UpdateStream(t.Context(), jetstream.StreamConfig{Name: "fairlead", Subjects: []string{"fairlead.>"}, MaxMsgSize: 500_000})
		if err != nil {
			t.Fatal(err)
		}
	})
	for _, size := range []int{600_000, 2 << 20} { // for the stream, for the server
		for name, sink := range map[string]pipeline.Sink{"stream": open(t, p, nil), "bucket": openKV(t, p, nil)} {
			if name == "bucket" && size < 1<<20 {
				continue
			}
			seq := uint64(size)
			long := change(strings.Repeat("long", 1000), seq, 9)
			err := sink.Write(t.Context(), []*pipeline.Change{change("a", seq, 9), change("b", seq, size), long, change("b", seq+1, 9), change("c", seq, 9)})
			partial, ok := errors.AsType[*pipeline.BatchError](err)
			if !ok || len(partial.Failed) != 2 || !pipeline.IsPermanent(partial.Failed[1]) || !pipeline.IsPermanent(partial.Failed[2]) {
				t.Errorf("%s, %d bytes: %v, want those at 1 and 2 to be refused for good", name, size, err)
			}
			if name == "bucket" && len(p.held(sink.(*nats.KV))) != 3 {
				t.Errorf("the bucket has %v", p.held(sink.(*nats.KV)))
			}
		}
	}
	if got := sequences(p.events(), "b"); got != "[600001 2097153]" {
		t.Errorf("of b the stream has %s", got)
	}
}

// Repeats are dropped by the stream. Those of objects without a UID or a version are not
// taken for each other.
func TestRepeatsAreDropped(t *testing.T) {
	p := start(t, nil).make()
	s := open(t, p, nil)
	bare := func(name string, sequence uint64) *pipeline.Change {
		c := change(name, sequence, 9)
		c.UID, c.ResourceVersion = "", ""
		return c
	}
	batch := []*pipeline.Change{change("a", 1, 9), change("a", 2, 9), bare("b", 1), bare("b", 2), bare("c", 1), change("d", 1, 9)}
	batch[5].UID = "1\r\nNats-Expected-Stream: other"
	for range 3 {
		if err := s.Write(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	events := p.events()
	for name, want := range map[string]string{"a": "[1 2]", "b": "[1 2]", "c": "[1]", "d": "[1]"} {
		if got := sequences(events, name); got != want {
			t.Errorf("of %s the stream has %s, want %s", name, got, want)
		}
	}
}

// Answers are lost, and the batch is written again: of an object nothing is out of order,
// though the server drops what it has had.
func TestLostAnswers(t *testing.T) {
	p := start(t, nil).make()
	short := func(o *nats.Options) { o.Timeout = time.Second }
	s, kv := open(t, p, short), openKV(t, p, short)
	batch := []*pipeline.Change{change("a", 1, 9), change("b", 1, 9), change("a", 2, 9), change("a", 3, 9)}
	for name, sink := range map[string]pipeline.Sink{"stream": s, "bucket": kv} {
		t.Log(name)
		sinktest.Insist(t, sink, change("x", 1, 9))
		p.line.Set(tcpline.Faults{Mute: true})
		sinktest.Fails(t, sink.Write(t.Context(), batch), "within 1s")
		p.line.Set(tcpline.Faults{})
		sinktest.Insist(t, sink, batch...)
	}
	if got := sequences(p.events(), "a"); got != "[1 2 3]" {
		t.Errorf("of a the stream has %s", got)
	}
	for _, h := range p.held(kv) {
		if want := map[string]uint64{"a": 3, "b": 1, "x": 1}[h.Key.Name]; h.Sequence != want {
			t.Errorf("the bucket has %+v", h)
		}
	}
}

// A process that was the leader writes late, with another one's keys remembered or not.
func TestOldTermIsRefused(t *testing.T) {
	p := start(t, nil).make()
	old, next := openKV(t, p, nil), openKV(t, p, nil)
	if err := old.Write(t.Context(), []*pipeline.Change{change("a", 5, 9), change("b", 5, 9)}); err != nil {
		t.Fatal(err)
	}
	later := change("a", 1, 9)
	later.Origin = origin(4)
	if err := next.Write(t.Context(), []*pipeline.Change{later}); err != nil {
		t.Fatal(err)
	}
	for _, sink := range []pipeline.Sink{old, openKV(t, p, nil), next} {
		// It is the error of the batch, also if another change of it is accepted.
		err := sink.Write(t.Context(), []*pipeline.Change{change("c", 6, 9), change("a", 6, 9)})
		if _, partial := errors.AsType[*pipeline.BatchError](err); partial || !errors.Is(err, pipeline.ErrOldTerm) {
			t.Errorf("a change of an old term: %v", err)
		}
	}
	// Nor does an older sequence win, of a process that remembers nothing.
	if err := openKV(t, p, nil).Write(t.Context(), []*pipeline.Change{change("b", 4, 9)}); err != nil {
		t.Error(err)
	}
	for _, h := range p.held(next) {
		if h.Key.Name == "b" && h.Sequence != 5 {
			t.Errorf("the bucket has %+v", h)
		}
		if h.Key.Name == "a" && (h.Term != 4 || h.Sequence != 1) {
			t.Errorf("the bucket has %+v", h)
		}
	}
}

// What stands in a bucket without our headers is replaced, and is an error when it is
// read back.
func TestForeignValues(t *testing.T) {
	p := start(t, nil).make()
	kv := openKV(t, p, nil)
	p.as(func(js jetstream.JetStream) {
		bucket, err := js.KeyValue(t.Context(), "fairlead")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a", "b"} {
			if _, err := bucket.PutString(t.Context(), "alpha.core.configmaps.ns."+name, "mine"); err != nil {
				t.Fatal(err)
			}
		}
	})
	if err := kv.Write(t.Context(), []*pipeline.Change{change("a", 1, 9)}); err != nil {
		t.Fatal(err)
	}
	err := kv.ReadBack(t.Context(), "alpha", "configmaps", func(sinks.Held) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "alpha.core.configmaps.ns.b") {
		t.Errorf("ReadBack: %v", err)
	}
	if err := kv.Write(t.Context(), []*pipeline.Change{change("b", 1, 9)}); err != nil {
		t.Fatal(err)
	}
	errStop := errors.New("enough")
	if err := kv.ReadBack(t.Context(), "alpha", "configmaps", func(sinks.Held) error { return errStop }); !errors.Is(err, errStop) {
		t.Errorf("ReadBack that yield ends: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := kv.ReadBack(ctx, "alpha", "configmaps", func(sinks.Held) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("ReadBack, cancelled: %v", err)
	}
}

// Of several servers one that is there is used.
func TestServersThatAreAway(t *testing.T) {
	p := start(t, nil).make()
	away := net.JoinHostPort("127.0.0.1", strconv.Itoa(loopback.Keep(t)))
	s := open(t, p, func(o *nats.Options) { o.Servers = []string{away, p.addr} })
	if err := s.Write(t.Context(), []*pipeline.Change{change("a", 1, 9)}); err != nil {
		t.Error(err)
	}
	s = open(t, p, func(o *nats.Options) { o.Servers = []string{away} })
	sinktest.Fails(t, s.Write(t.Context(), []*pipeline.Change{change("a", 1, 9)}), away, "refused")
}
