package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// maxPuts is how many segments of one batch are written at the same time.
const maxPuts = 8

// part is what of a batch goes into one segment: changes of one cluster, in the order
// of the batch.
type part struct {
	changes []*pipeline.Change
	at      []int // in the batch
}

// Write writes one segment for each cluster of the batch, and returns once the store
// has answered for each. Where some of them fail, a [*pipeline.BatchError] names their
// changes.
func (s *Sink) Write(ctx context.Context, batch []*pipeline.Change) error {
	ctx, done, err := s.calls.Begin(ctx)
	if err != nil {
		return fmt.Errorf("write to bucket %s: %w", s.o.Bucket, err)
	}
	defer done()
	parts := split(batch)
	failed := make([]map[int]error, len(parts)) // by the index in the part
	var g errgroup.Group
	g.SetLimit(maxPuts)
	for i, p := range parts {
		g.Go(func() error {
			failed[i] = s.write(ctx, p.changes)
			return nil
		})
	}
	_ = g.Wait()
	err = gather(len(batch), parts, failed)
	if ended := context.Cause(ctx); err != nil && ended != nil {
		return fmt.Errorf("write to bucket %s: %w", s.o.Bucket, ended)
	}
	return err
}

// split divides a batch among its clusters.
func split(batch []*pipeline.Change) []*part {
	var parts []*part
	of := map[string]*part{}
	for i, c := range batch {
		p := of[c.Key.Cluster]
		if p == nil {
			p = &part{}
			of[c.Key.Cluster] = p
			parts = append(parts, p)
		}
		p.changes, p.at = append(p.changes, c), append(p.at, i)
	}
	return parts
}

// gather makes one error of those of the parts. If nothing was accepted, and not because
// of single changes, it is about the store.
func gather(n int, parts []*part, failed []map[int]error) error {
	all := map[int]error{}
	var first error
	for i, reasons := range failed {
		for j, err := range reasons {
			all[parts[i].at[j]] = err
			if first == nil && !pipeline.IsPermanent(err) {
				first = err
			}
		}
	}
	switch {
	case len(all) == 0:
		return nil
	case len(all) == n && first != nil:
		return first
	}
	return &pipeline.BatchError{Failed: all}
}

// write writes the changes of one cluster as one segment, or as more if the store says
// that it is too large. It returns why changes were not accepted, by their index.
func (s *Sink) write(ctx context.Context, changes []*pipeline.Change) map[int]error {
	err := s.put(ctx, changes)
	if err == nil {
		return nil
	}
	failed := make(map[int]error, len(changes))
	if errors.Is(err, errTooLarge) && len(changes) > 1 {
		half := len(changes) / 2
		for i, err := range s.write(ctx, changes[:half]) {
			failed[i] = err
		}
		for i, err := range s.write(ctx, changes[half:]) {
			failed[half+i] = err
		}
		return failed
	}
	if errors.Is(err, errTooLarge) {
		err = pipeline.Permanent(err)
	}
	for i := range changes {
		failed[i] = err
	}
	return failed
}

// put writes one segment.
func (s *Sink) put(ctx context.Context, changes []*pipeline.Change) error {
	key := s.key(changes)
	body, plain, err := s.encode(changes)
	if err != nil {
		return fmt.Errorf("make segment %s: %w", key, err)
	}
	o := minio.PutObjectOptions{ContentType: contentType(s.o.NoCompression), DisableMultipart: true}
	if !s.o.NoChecksum {
		o.UserMetadata = map[string]string{checksumHeader: checksum(body)}
		o.DisableContentSha256 = true // the header with the checksum is signed
	}
	if err := s.send(ctx, key, body, o); err != nil {
		s.metrics.failed.Inc()
		return err
	}
	s.metrics.written(len(body), plain)
	return nil
}

// send makes the PUT. Its error says what to do.
func (s *Sink) send(ctx context.Context, key string, body []byte, o minio.PutObjectOptions) error {
	return s.request(ctx, func(ctx context.Context) error {
		answer, err := s.client.PutObject(ctx, s.o.Bucket, key, bytes.NewReader(body), int64(len(body)), o)
		if err != nil {
			return err
		}
		return stored(answer, o.UserMetadata[checksumHeader])
	})
}

// stored returns an error if an answer of success does not come from a store: anybody else
// may answer so to whatever he gets, such as a proxy that shows a page. A store names what
// it has stored: with the checksum of the request, if it knows that, or else with an ETag,
// which is never a weak one as those of pages are.
func stored(answer minio.UploadInfo, checksum string) error {
	switch {
	case checksum != "" && answer.ChecksumCRC32C == checksum:
		return nil
	case checksum != "" && answer.ChecksumCRC32C != "":
		return fmt.Errorf("%w: the store's checksum is another", errChecksum)
	case answer.ETag == "" || strings.HasPrefix(answer.ETag, "W/"):
		return errNoStore
	}
	return nil
}

// request has f make a request with a context that bounds it and holds its keys. Its error
// says what to do.
func (s *Sink) request(ctx context.Context, f func(ctx context.Context) error) error {
	ctx, hint := withHint(ctx)
	ctx, err := s.provider.withKeys(ctx)
	if err != nil {
		return s.explain(err, hint.retryAfter())
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.o.Timeout, fmt.Errorf("the store has not answered within %v", s.o.Timeout))
	defer cancel()
	if err = f(ctx); err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return s.explain(err, hint.retryAfter())
}
