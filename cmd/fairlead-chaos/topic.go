package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/fairlead-dev/fairlead/internal/loopback"
)

const (
	topicName  = "changes"
	partitions = 3
)

// topic is one of two brokers that speak Kafka's protocol in this process. They are no
// Kafka: what one has accepted, the other one has too.
type topic struct {
	dir     string
	ways    []way // to each broker, by its number
	ports   []int // that they listen on
	brokers *kfake.Cluster
	gone    int32 // the broker that is away, while one is
}

// elsewhere is a listener that gives another address as its own.
type elsewhere struct {
	net.Listener
	addr net.Addr
}

func (e elsewhere) Addr() net.Addr { return e.addr }

func startTopic(t testing.TB, d *destination) {
	t.Helper()
	d.further = []way{newWay(t)}
	s := &topic{dir: t.TempDir(), ways: d.ways()}
	for _, w := range s.ways {
		port := loopback.Keep(t)
		w.line.Lead(address(port))
		s.ports = append(s.ports, port)
	}
	t.Cleanup(func() { s.Kill(t) })
	s.Start(t)
	d.server, d.addr = s, address(s.ports[0])
	d.sink = "kafka://" + s.ways[0].listens + "," + s.ways[1].listens + "/" + topicName + "?tls=false&timeout=10s&name=" + theDestination
	d.events = s.read
	d.more = map[kind]stroke{
		destinationDenies:  s.refuses(kerr.TopicAuthorizationFailed),
		destinationRefuses: s.refuses(kerr.NotEnoughReplicas),
	}
	// The broker that leads is away, and the other one leads from then on.
	d.takeover = &takeover{move: s.failOver, restore: s.comeBack}
}

// Start starts the brokers with what they had.
func (s *topic) Start(t testing.TB) {
	t.Helper()
	brokers, err := kfake.NewCluster(
		kfake.Ports(s.ports...), kfake.SeedTopics(partitions, topicName), kfake.DataDir(s.dir), kfake.SyncWrites(),
		kfake.ListenFn(s.listen),
	)
	if err != nil {
		t.Fatal(err)
	}
	s.brokers = brokers
}

// listen listens as a broker that gives the address of its line as its own, so that
// clients stay on that.
func (s *topic) listen(network, at string) (net.Listener, error) {
	i := slices.IndexFunc(s.ports, func(port int) bool { return address(port) == at })
	if i < 0 {
		return nil, fmt.Errorf("no broker has %s", at)
	}
	of, err := net.ResolveTCPAddr(network, s.ways[i].listens)
	if err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), network, at)
	if err != nil {
		return nil, err
	}
	return elsewhere{listener, of}, nil
}

// Kill ends the brokers and all connections.
func (s *topic) Kill(testing.TB) {
	if s.brokers != nil {
		s.brokers.Close()
		s.brokers = nil
	}
}

// refuses is a fault in which the brokers accept nothing, for that reason.
func (s *topic) refuses(why *kerr.Error) stroke {
	var handle *kfake.FaultHandle
	return stroke{
		func(context.Context) error {
			handle = s.brokers.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topicName, Err: why, Count: -1})
			return nil
		},
		func(context.Context) error {
			handle.Remove()
			return nil
		},
	}
}

// failOver takes away the broker that leads the first partition, and has the other one
// lead all.
func (s *topic) failOver(context.Context) error {
	s.gone = s.brokers.LeaderFor(topicName, 0)
	if s.gone < 0 || int(s.gone) >= len(s.ways) {
		return errors.New("find the leader of a partition: it has none")
	}
	s.ways[s.gone].line.Cut()
	return s.brokers.RemoveNode(s.gone)
}

// comeBack has the broker back, which leads nothing.
func (s *topic) comeBack(context.Context) error {
	if _, _, err := s.brokers.AddNode(s.gone, s.ports[s.gone]); err != nil {
		return fmt.Errorf("have a broker back: %w", err)
	}
	return s.ways[s.gone].open()
}
