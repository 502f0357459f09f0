package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/fairlead-dev/fairlead/internal/loopback"
	"github.com/fairlead-dev/fairlead/internal/replay"
)

const (
	topicName  = "changes"
	partitions = 3
)

// topic is one of a broker that speaks Kafka's protocol in this process. It is no Kafka.
type topic struct {
	dir    string
	port   int    // that it listens on
	listen string // what it calls itself, so that clients stay on the line
	broker *kfake.Cluster
}

// elsewhere is a listener that gives another address as its own.
type elsewhere struct {
	net.Listener
	addr net.Addr
}

func (e elsewhere) Addr() net.Addr { return e.addr }

func startTopic(t testing.TB, d *destination) {
	t.Helper()
	port, err := loopback.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	s := &topic{dir: t.TempDir(), port: port.Number, listen: d.listens}
	t.Cleanup(func() {
		s.Kill(t)
		if err := port.Release(); err != nil {
			t.Error(err)
		}
	})
	s.Start(t)
	d.server, d.addr = s, net.JoinHostPort("127.0.0.1", strconv.Itoa(port.Number))
	d.sink = "kafka://" + d.listens + "/" + topicName + "?tls=false&timeout=10s&name=" + theDestination
	d.events = s.read
}

// Start starts the broker with what it had.
func (s *topic) Start(t testing.TB) {
	t.Helper()
	address, err := net.ResolveTCPAddr("tcp", s.listen)
	if err != nil {
		t.Fatal(err)
	}
	s.broker, err = kfake.NewCluster(
		kfake.NumBrokers(1), kfake.Ports(s.port), kfake.SeedTopics(partitions, topicName), kfake.DataDir(s.dir), kfake.SyncWrites(),
		kfake.ListenFn(func(network, at string) (net.Listener, error) {
			listener, err := new(net.ListenConfig).Listen(context.Background(), network, at)
			if err != nil {
				return nil, err
			}
			return elsewhere{listener, address}, nil
		}),
	)
	if err != nil {
		t.Fatal(err)
	}
}

// Kill ends the broker and all connections.
func (s *topic) Kill(testing.TB) {
	if s.broker != nil {
		s.broker.Close()
		s.broker = nil
	}
}

// read returns the events of all partitions, each in its order.
func (s *topic) read(ctx context.Context) (events []replay.Event, err error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.listen))
	if err != nil {
		return nil, err
	}
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topicName)
	client.Close()
	if err = errors.Join(err, ends.Error()); err != nil {
		return nil, fmt.Errorf("find the end of the topic: %w", err)
	}
	left := map[int32]int64{}
	from := map[int32]kgo.Offset{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition], from[o.Partition] = o.Offset, kgo.NewOffset().At(0)
		}
	})
	if len(left) == 0 {
		return nil, nil
	}
	if client, err = kgo.NewClient(kgo.SeedBrokers(s.listen), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topicName: from})); err != nil {
		return nil, err
	}
	defer client.Close()
	for len(left) > 0 {
		fetched := client.PollFetches(ctx)
		if err := fetched.Err(); err != nil {
			return nil, fmt.Errorf("read the topic: %w", err)
		}
		fetched.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			if r.Value == nil {
				return // a tombstone
			}
			e, parseErr := replay.Parse(r.Value)
			e.Data = nil
			events, err = append(events, e), errors.Join(err, parseErr)
		})
		if err != nil {
			return nil, fmt.Errorf("read the topic: %w", err)
		}
	}
	return events, nil
}
