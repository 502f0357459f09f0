package nats

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// ReadBack yields each object of a cluster and a resource that the bucket has, see
// [sinks.ReadBacker]. Values that are no events of Fairlead are an error.
func (s *KV) ReadBack(ctx context.Context, cluster, resource string, yield func(sinks.Held) error) error {
	var refused error // by yield, which is not about NATS
	err := s.visit(ctx, func(ctx context.Context, c *connection) error {
		bucket, err := c.js.KeyValue(ctx, s.o.Stream)
		if err != nil {
			return err
		}
		watcher, err := bucket.Watch(ctx, string(appendResource(nil, cluster, resource))+".>", jetstream.IgnoreDeletes())
		if err != nil {
			return err
		}
		err = each(ctx, c, watcher, func(h sinks.Held) error {
			refused = yield(h)
			return refused
		})
		if stop := watcher.Stop(); err == nil {
			err = stop
		}
		return err
	})
	if refused != nil {
		return refused
	}
	return err
}

// each yields what a watch finds until it has found all that there was at its begin.
func each(ctx context.Context, c *connection, watcher jetstream.KeyWatcher, yield func(sinks.Held) error) error {
	for {
		select {
		case entry, open := <-watcher.Updates():
			if !open {
				return errors.New("the watch has ended before all was read")
			}
			if entry == nil {
				return nil
			}
			e, err := pipeline.ParseEvent(entry.Value())
			if err != nil {
				return fmt.Errorf("key %.400q: %w", entry.Key(), err)
			}
			h := sinks.Held{
				Key: e.Key(), UID: types.UID(e.UID()), ResourceVersion: e.ResourceVersion,
				Term: uint64(e.Term), Sequence: uint64(e.Sequence), Object: e.Data,
			}
			if err := yield(h); err != nil {
				return err
			}
		case <-c.broken:
			return c.failure()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
