package kafka_test

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/fairlead-dev/fairlead/internal/loopback"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/kafka"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster is a fake of Kafka that keeps its data on disk over restarts. It is no Kafka:
// it speaks its protocol.
type cluster struct {
	*kfake.Cluster
	t     testing.TB
	opts  []kfake.Opt
	addrs []string
	wire  wire
}

// start returns a cluster of a broker with topic "fairlead", which takes records of up
// to 32 MiB.
func start(t testing.TB, opts ...kfake.Opt) *cluster {
	t.Helper()
	c := &cluster{t: t}
	c.opts = append([]kfake.Opt{
		kfake.NumBrokers(1), kfake.DataDir(t.TempDir()), kfake.SyncWrites(), kfake.SeedTopics(3, "fairlead"),
		kfake.ListenFn(c.listen), kfake.BrokerConfigs(map[string]string{"message.max.bytes": strconv.Itoa(32 << 20)}),
	}, opts...)
	c.run()
	t.Cleanup(func() { c.Close() })
	return c
}

func (c *cluster) run() {
	opts := c.opts
	if c.addrs != nil {
		var ports []int
		for _, addr := range c.addrs {
			_, port, _ := net.SplitHostPort(addr)
			n, _ := strconv.Atoi(port)
			ports = append(ports, n)
		}
		opts = append(opts[:len(opts):len(opts)], kfake.Ports(ports...))
	}
	fake, err := kfake.NewCluster(opts...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.Cluster, c.addrs = fake, fake.ListenAddrs()
}

// records reads all that a topic holds, in the order of each partition.
func (c *cluster) records(topic string, opts ...kgo.Opt) (all []*kgo.Record) {
	c.t.Helper()
	want := map[int32]int64{}
	from := map[int32]kgo.Offset{}
	for _, p := range c.PartitionInfos(topic) {
		if p.HighWatermark > 0 {
			want[p.Partition], from[p.Partition] = p.HighWatermark, kgo.NewOffset().AtStart()
		}
	}
	if len(want) == 0 {
		return nil
	}
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(c.addrs...), kgo.FetchMaxBytes(64<<20), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))...)
	if err != nil {
		c.t.Fatal(err)
	}
	defer client.Close()
	for len(want) > 0 {
		fetches := client.PollFetches(c.t.Context())
		if err := fetches.Err(); err != nil {
			c.t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			all = append(all, r)
			if r.Offset+1 >= want[r.Partition] {
				delete(want, r.Partition)
			}
		})
	}
	return all
}

// event returns what a record says, and whether it is one and no bare tombstone.
func event(t testing.TB, r *kgo.Record) (pipeline.Event, bool) {
	t.Helper()
	value := r.Value
	if kind := header(r, "content-type"); !strings.HasPrefix(kind, "application/cloudevents+json") {
		attributes := map[string]any{}
		for _, h := range r.Headers {
			if name, found := strings.CutPrefix(h.Key, "ce_"); found {
				attributes[name] = string(h.Value)
				if name == "snapshot" || name == "tombstone" {
					attributes[name] = string(h.Value) == "true"
				}
			}
		}
		if attributes["id"] == nil {
			if value != nil {
				t.Errorf("a record without an id has a value: %s", value)
			}
			return pipeline.Event{}, false
		}
		if attributes["tombstone"] == nil && value != nil {
			attributes["data"], attributes["datacontenttype"] = json.RawMessage(value), kind
		}
		var err error
		if value, err = json.Marshal(attributes); err != nil {
			t.Fatal(err)
		}
	}
	e, err := pipeline.ParseEvent(value)
	if err != nil {
		t.Fatal(err)
	}
	return e, true
}

func (c *cluster) events() (all []pipeline.Event) {
	for _, r := range c.records("fairlead") {
		if e, is := event(c.t, r); is {
			all = append(all, e)
		}
	}
	return all
}

func header(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// open returns a sink that is closed with the test.
func open(t testing.TB, c *cluster, with func(*kafka.Options)) *kafka.Sink {
	t.Helper()
	o := kafka.Options{Brokers: c.addrs, Topic: "fairlead"}
	if with != nil {
		with(&o)
	}
	s, err := kafka.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// wire is what connects clients with the brokers.
type wire struct {
	mu   sync.Mutex
	gate chan struct{}       // not nil: answers wait for it to be closed
	lose func(n []byte) bool // not nil: of which answers the connection breaks instead
	kept bool                // an answer waits for gate
	held *held               // not nil: holds large requests
}

// held has what large requests wait for on their way to the brokers, with all that comes
// behind them on their connection. begun is closed when there is one.
type held struct {
	release, begun chan struct{}
	begin          func()
}

// hold holds requests of more than 64 KiB until release is closed.
func (w *wire) hold() *held {
	h := &held{release: make(chan struct{}), begun: make(chan struct{})}
	h.begin = sync.OnceFunc(func() { close(h.begun) })
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = h
	return h
}

// listen listens for a broker. A port is nobody else's until the test ends, also while
// the broker is stopped.
func (c *cluster) listen(network, address string) (net.Listener, error) {
	host, number, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if number == "0" {
		port, err := loopback.Reserve()
		if err != nil {
			return nil, err
		}
		c.t.Cleanup(func() {
			if err := port.Release(); err != nil {
				c.t.Error(err)
			}
		})
		address = net.JoinHostPort(host, strconv.Itoa(port.Number))
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), network, address)
	if err != nil {
		return nil, err
	}
	return &listener{l, &c.wire}, nil
}

// hang has the brokers answer nothing until the function that it returns is called.
func (w *wire) hang() (resume func()) {
	gate := make(chan struct{})
	w.set(gate, nil)
	return sync.OnceFunc(func() { w.set(nil, nil); close(gate) })
}

func (w *wire) set(gate chan struct{}, lose func([]byte) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gate, w.lose, w.kept = gate, lose, false
}

// hasAnswer reports whether an answer waits since the brokers hang.
func (w *wire) hasAnswer() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.kept
}

type listener struct {
	net.Listener
	wire *wire
}

func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &side{Conn: conn, wire: l.wire}, nil
}

// side is the brokers' side of a connection.
type side struct {
	net.Conn
	wire *wire
	read int // bytes since requests are held
}

func (s *side) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	s.wire.mu.Lock()
	h := s.wire.held
	s.wire.mu.Unlock()
	if h == nil {
		return n, err
	}
	if s.read += n; s.read > 64<<10 && n == len(p) { // all of it has left the client
		h.begin()
		<-h.release
	}
	return n, err
}

func (s *side) Write(p []byte) (int, error) {
	s.wire.mu.Lock()
	gate, lose := s.wire.gate, s.wire.lose
	s.wire.kept = gate != nil
	s.wire.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if lose != nil && lose(p) {
		_ = s.Close()
		return 0, net.ErrClosed
	}
	return s.Conn.Write(p)
}
