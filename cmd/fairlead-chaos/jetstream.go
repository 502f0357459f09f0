package main

import (
	"context"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-dev/fairlead/internal/replay"
)

// messages is a stream of NATS.
type messages struct{ *jetStream }

func startMessages(t testing.TB, d *destination) { startStream(t, d, 1) }

// startMessagesOfThree has three servers, each with the stream.
func startMessagesOfThree(t testing.TB, d *destination) { startStream(t, d, 3) }

func startStream(t testing.TB, d *destination, servers int) {
	t.Helper()
	s := messages{startNATS(t, d, servers, topicName, "", func(ctx context.Context, js jetstream.JetStream) error {
		_, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: topicName, Subjects: []string{"fairlead.>"}, Replicas: servers})
		return err
	})}
	d.events, d.unique = s.events, true // within two minutes
}

// events returns those of the stream in its order. A cluster that has just been started may
// have to find who answers first.
func (s messages) events(ctx context.Context) (events []replay.Event, err error) {
	err = s.until(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		events = nil
		stream, err := js.Stream(ctx, topicName)
		if err != nil {
			return err
		}
		consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
		if err != nil {
			return err
		}
		for left := stream.CachedInfo().State.Msgs; left > 0; {
			batch, err := consumer.Fetch(int(min(left, 500)), jetstream.FetchContext(ctx))
			if err != nil {
				return err
			}
			got := uint64(0)
			for m := range batch.Messages() {
				got++
				e, err := replay.Parse(m.Data())
				if err != nil {
					return err
				}
				e.Data = nil
				events = append(events, e)
			}
			if err := batch.Error(); err != nil || got == 0 {
				return fmt.Errorf("%d messages are left: %w", left, err)
			}
			left -= min(left, got)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the stream: %w", err)
	}
	return events, nil
}
