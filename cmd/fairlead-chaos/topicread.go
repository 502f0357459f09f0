package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/fairlead-dev/fairlead/internal/replay"
)

// read returns the events of all partitions, each in its order.
func (s *topic) read(ctx context.Context) (events []replay.Event, err error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.ways[0].listens))
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
	if client, err = kgo.NewClient(kgo.SeedBrokers(s.ways[0].listens), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topicName: from})); err != nil {
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
