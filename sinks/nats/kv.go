package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// KV keeps the last event of each object in a bucket. Write is called by one goroutine at
// a time, and Close after the last one.
type KV struct {
	*connector
	remembered remembered
	next       nats.Msg // the message that is sent, made of the one before
	text, buf  []byte   // its bytes, and those that names are made of
}

// Headers of what a key holds, for who compares changes without reading the event.
const (
	termHeader     = "Fairlead-Term"
	sequenceHeader = "Fairlead-Sequence"
	// operationHeader says of a value that its key is deleted.
	operationHeader = "KV-Operation"
	deleted         = "DEL"
)

// NewKV returns a sink for a bucket. It connects to nothing. The error tells every
// mistake.
func NewKV(o Options) (*KV, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("sink of NATS: %w", err)
	}
	c, err := newConnector(o)
	if err != nil {
		return nil, err
	}
	s := &KV{connector: c, remembered: newRemembered(), next: nats.Msg{Header: nats.Header{
		termHeader:                          {""},
		sequenceHeader:                      {""},
		jetstream.ExpectedStreamHeader:      {streamOf(o.Stream)},
		jetstream.ExpectedLastSubjSeqHeader: {""},
	}}}
	s.prepare = s.find
	return s, nil
}

// streamOf returns the name of the stream that is the bucket.
func streamOf(bucket string) string { return "KV_" + bucket }

// Write replaces what the bucket has of each object, unless that is later.
func (s *KV) Write(ctx context.Context, batch []*pipeline.Change) error {
	return s.write(ctx, batch, func(ctx context.Context, c *connection, round []int, errs []error) {
		s.replace(ctx, c, batch, round, errs)
	})
}

// attempts is how often a key is compared and replaced before the write fails: more than
// twice only if another process writes it too.
const attempts = 5

// errContended is that of a key that others keep writing.
var errContended = errors.New("another process keeps writing the same key")

// replace writes changes of different keys, by comparing and swapping. A key that is not
// remembered is taken for missing; if it is not, it is read and compared.
func (s *KV) replace(ctx context.Context, c *connection, batch []*pipeline.Change, round []int, errs []error) {
	for attempt := 0; len(round) > 0; attempt++ {
		unanswered := c.publisher.begin()
		var sent, again []int
		for _, i := range round {
			held := s.remembered.get(batch[i].Key)
			switch {
			case held.isOfLaterTerm(batch[i]):
				errs[i] = held.oldTerm(batch[i])
			case held.isLater(batch[i]):
			default:
				if sent = append(sent, i); unanswered == nil {
					c.publisher.publish(s.message(batch[i], held.revision))
				}
			}
		}
		if unanswered == nil {
			unanswered = c.publisher.wait(ctx, c)
		}
		for n, i := range sent {
			revision, err := c.publisher.answer(n, unanswered)
			switch errs[i] = err; {
			case err == nil:
				s.remembered.note(batch[i], revision)
			case isConflict(err) && attempt < attempts:
				errs[i] = nil
				again = append(again, i)
			case isConflict(err):
				errs[i] = errContended
			}
		}
		round = s.compare(ctx, c, batch, again, errs)
	}
}

// isConflict reports whether a key had another revision than was expected.
func isConflict(err error) bool {
	e, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// compare reads the keys of changes that were not what was expected, and returns those
// that are older than the changes.
func (s *KV) compare(ctx context.Context, c *connection, batch []*pipeline.Change, round []int, errs []error) (again []int) {
	if len(round) == 0 {
		return nil
	}
	for i, held := range c.read(ctx, s.o.Stream, batch, round) {
		change := batch[i]
		switch {
		case held.err != nil:
			errs[i] = held.err
		case held.isOfLaterTerm(change):
			errs[i] = held.oldTerm(change)
		case !held.isLater(change):
			again = append(again, i)
		}
		if held.err == nil {
			s.remembered.set(change.Key, held)
		}
	}
	return again
}

// message returns the message of a change, for the revision that its key is taken to have,
// in place of the message before.
func (s *KV) message(c *pipeline.Change, revision uint64) *nats.Msg {
	s.buf = append(append(append(s.buf[:0], "$KV."...), s.o.Stream...), '.')
	s.buf = appendSubject(s.buf, c.Key)
	s.next.Subject = string(s.buf)
	h := s.next.Header
	h[termHeader][0], h[sequenceHeader][0] = ordinal(c.Origin.Term), ordinal(c.Sequence)
	h[jetstream.ExpectedLastSubjSeqHeader][0] = strconv.FormatUint(revision, 10)
	if c.Op == pipeline.Deleted {
		h[operationHeader] = []string{deleted}
	} else {
		delete(h, operationHeader)
	}
	s.text = c.AppendCloudEvent(s.text[:0])
	s.next.Data = s.text
	return &s.next
}

func subjectOf(bucket string, k pipeline.Key) string {
	return string(appendSubject([]byte("$KV."+bucket+"."), k))
}

// ordinal returns a number as it stands in events.
func ordinal(n uint64) string {
	text, _ := pipeline.Ordinal(n).MarshalText() // It never fails.
	return string(text)
}
