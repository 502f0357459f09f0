package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-dev/fairlead/internal/replay"
)

// keys is a bucket of a NATS server, which holds what is now.
type keys struct{ *jetStream }

func startKeys(t testing.TB, d *destination) {
	t.Helper()
	s := keys{startNATS(t, d, 1, "KV_"+topicName, "&mode=kv", func(ctx context.Context, js jetstream.JetStream) error {
		_, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: topicName})
		return err
	})}
	d.held, d.marks = s.held, s.marks
}

// held returns what exists according to the bucket.
func (s keys) held(ctx context.Context) (map[replay.Object]string, error) {
	held := map[replay.Object]string{}
	return held, s.each(ctx, func(e replay.Event) error {
		if !e.Deleted {
			held[e.Object] = e.ResourceVersion
		}
		return nil
	})
}

// marks are those of all keys, of what is gone too.
func (s keys) marks(ctx context.Context) (map[replay.Object]mark, error) {
	marks := map[replay.Object]mark{}
	return marks, s.each(ctx, func(e replay.Event) (err error) {
		e.UID = ""
		marks[e.Object], err = newMark(e.Term, e.Sequence)
		return err
	})
}

// each calls f for what each key holds.
func (s keys) each(ctx context.Context, f func(replay.Event) error) error {
	err := s.as(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		bucket, err := js.KeyValue(ctx, topicName)
		if err != nil {
			return err
		}
		watcher, err := bucket.WatchAll(ctx)
		if err != nil {
			return err
		}
		for {
			select {
			case entry, open := <-watcher.Updates():
				if !open {
					return errors.New("the connection has ended before all was read")
				}
				if entry == nil { // That was all.
					return watcher.Stop()
				}
				e, err := eventOfKey(entry)
				if err == nil {
					err = f(e)
				}
				if err != nil {
					return errors.Join(fmt.Errorf("key %s: %w", entry.Key(), err), watcher.Stop())
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	if err != nil {
		return fmt.Errorf("read the bucket: %w", err)
	}
	return nil
}

// eventOfKey returns what a key holds. Whoever reads no events sees a key that is deleted
// where they tell of a deletion, and only there.
func eventOfKey(entry jetstream.KeyValueEntry) (replay.Event, error) {
	e, err := replay.Parse(entry.Value())
	if err == nil && e.Deleted != (entry.Operation() == jetstream.KeyValueDelete) {
		err = fmt.Errorf("its event and its operation, %s, say different things", entry.Operation())
	}
	e.Data = nil
	return e, err
}
