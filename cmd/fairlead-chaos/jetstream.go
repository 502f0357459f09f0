package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-dev/fairlead/internal/loopback"
	"github.com/fairlead-dev/fairlead/internal/replay"
)

// messages is a stream of a NATS server in this process, on files.
type messages struct {
	options natsserver.Options
	server  *natsserver.Server // nil while it is down
}

func startMessages(t testing.TB, d *destination) {
	t.Helper()
	port, err := loopback.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	s := &messages{options: natsserver.Options{
		Host: "127.0.0.1", Port: port.Number, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, NoSigs: true, NoLog: true, MaxPayload: 8 << 20,
	}}
	t.Cleanup(func() {
		s.Kill(t)
		if err := port.Release(); err != nil {
			t.Error(err)
		}
	})
	s.Start(t)
	d.server, d.addr = s, net.JoinHostPort("127.0.0.1", strconv.Itoa(port.Number))
	d.sink = "nats://" + d.listens + "/" + topicName + "?tls=false&create=true&replicas=1&timeout=5s&name=" + theDestination
	d.events, d.unique = s.read, true // within two minutes
}

// Start starts the server with what it had.
func (s *messages) Start(t testing.TB) {
	t.Helper()
	options := s.options // the server keeps what it is given
	started, err := natsserver.NewServer(&options)
	if err != nil {
		t.Fatal(err)
	}
	started.Start()
	if !started.ReadyForConnections(time.Minute) {
		t.Fatal("the NATS server is not ready within a minute")
	}
	s.server = started
}

// Kill ends the server and all connections.
func (s *messages) Kill(testing.TB) {
	if s.server != nil {
		s.server.Shutdown()
		s.server.WaitForShutdown()
		s.server = nil
	}
}

// read returns the events of the stream in its order.
func (s *messages) read(ctx context.Context) (events []replay.Event, err error) {
	conn, err := client.Connect(s.server.ClientURL())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	stream, err := js.Stream(ctx, topicName)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, err
	}
	for left := stream.CachedInfo().State.Msgs; left > 0; {
		batch, err := consumer.Fetch(int(min(left, 500)), jetstream.FetchMaxWait(30*time.Second))
		if err != nil {
			return nil, fmt.Errorf("read the stream: %w", err)
		}
		got := uint64(0)
		for m := range batch.Messages() {
			got++
			e, err := replay.Parse(m.Data())
			if err != nil {
				return nil, fmt.Errorf("read the stream: %w", err)
			}
			e.Data = nil
			events = append(events, e)
		}
		if err := batch.Error(); err != nil || got == 0 {
			return nil, fmt.Errorf("read the stream: %d messages are left: %w", left, err)
		}
		left -= min(left, got)
	}
	return events, nil
}
