package nats

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-dev/fairlead/sinks"
)

// find finds the bucket, and makes it if it is missing and that is asked for.
func (s *KV) find(ctx context.Context, c *connection) (err error) {
	c.bucket, err = c.js.Stream(ctx, streamOf(s.o.Stream))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if s.o.Create == nil {
			return jetstream.ErrBucketNotFound
		}
		if s.o.Trial {
			return nil
		}
		_, err = c.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: s.o.Stream, Storage: jetstream.FileStorage, Replicas: max(s.o.Create.Replicas, 1), History: 1,
			Description: "the last change of each object, written by Fairlead",
		})
		if err != nil && !errors.Is(err, jetstream.ErrBucketExists) {
			return fmt.Errorf("create bucket %s: %w", s.o.Stream, err)
		}
		c.bucket, err = c.js.Stream(ctx, streamOf(s.o.Stream))
	}
	if err != nil {
		return err
	}
	return keeps(c.bucket.CachedInfo().Config)
}

// keeps returns an error for a bucket that drops keys by itself. An object that does not
// change would vanish from it and never be written again; and with the marker of a
// deletion goes what tells that an older state is older.
func keeps(c jetstream.StreamConfig) error {
	switch {
	case c.MaxAge > 0:
		return fmt.Errorf("the bucket forgets keys after %s (TTL); set max_age of stream %s to 0, or give another bucket", c.MaxAge, c.Name)
	case c.Discard == jetstream.DiscardOld && (c.MaxMsgs > 0 || c.MaxBytes > 0):
		return fmt.Errorf("the bucket drops its oldest keys when it is full (discard old, max_msgs %d, max_bytes %d); set discard of stream %s to new, or remove the limits", c.MaxMsgs, c.MaxBytes, c.Name)
	}
	return nil
}

// warnings returns an error for a bucket that can be written, but should not be trusted.
func warnings(c jetstream.StreamConfig) error {
	if c.Storage == jetstream.MemoryStorage {
		return sinks.Caution(errors.New("the bucket is in memory: when its servers restart, it is empty, and objects that do not change are not written again; make it with storage file"))
	}
	return keeps(c)
}
