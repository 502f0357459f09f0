package otlp

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/internal/httpdest"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// Write sends the changes in as many requests as their size takes, one after the other,
// and returns once the receiver has answered to each.
func (s *Sink) Write(ctx context.Context, batch []*pipeline.Change) error {
	ctx, done, err := s.calls.Begin(ctx)
	if err != nil {
		return fmt.Errorf("POST %s: %w", s.client.Target(), err)
	}
	defer done()
	failed, err := s.write(ctx, batch)
	switch {
	case err != nil && len(failed) == len(batch) && !anyPermanent(failed):
		return err // nothing was accepted: it is about the receiver
	case len(failed) > 0:
		return &pipeline.BatchError{Failed: failed}
	}
	return nil
}

func anyPermanent(failed map[int]error) bool {
	for _, err := range failed {
		if pipeline.IsPermanent(err) {
			return true
		}
	}
	return false
}

// write sends the changes, and returns why some were not accepted, by index. The error is
// that after which it has sent no more.
func (s *Sink) write(ctx context.Context, changes []*pipeline.Change) (failed map[int]error, err error) {
	failed = map[int]error{}
	for at := 0; at < len(changes); {
		if err := context.Cause(ctx); err != nil {
			return s.rest(failed, at, changes, fmt.Errorf("POST %s: %w", s.client.Target(), err))
		}
		body, n, err := s.request(changes[at:])
		if err != nil {
			return s.rest(failed, at, changes, err)
		}
		err = s.send(ctx, body)
		switch {
		case err == nil:
		case !pipeline.IsPermanent(err):
			return s.rest(failed, at, changes, err)
		case n == 1:
			if unsure := s.doubt(ctx, err); unsure != nil {
				return s.rest(failed, at, changes, unsure)
			}
			failed[at] = err
		default:
			// One of them is refused. Halves find it, and the others get through.
			for _, part := range [][2]int{{at, at + n/2}, {at + n/2, at + n}} {
				refused, err := s.write(ctx, changes[part[0]:part[1]])
				shifted := map[int]error{}
				for i, reason := range refused {
					shifted[part[0]+i] = reason
				}
				maps.Copy(failed, shifted)
				if err != nil {
					return s.rest(failed, part[1], changes, err)
				}
			}
		}
		at += n
	}
	return failed, nil
}

// rest notes that what follows was not accepted, and not because of itself.
func (s *Sink) rest(failed map[int]error, from int, changes []*pipeline.Change, err error) (map[int]error, error) {
	for i := from; i < len(changes); i++ {
		failed[i] = pipeline.Outage(err)
	}
	return failed, err
}

// send sends one request. Its error says what to do.
func (s *Sink) send(ctx context.Context, body []byte) error {
	answer, err := s.client.Post(ctx, body)
	if err != nil {
		s.metrics.requests.WithLabelValues("none").Inc()
		return s.unreached(err)
	}
	s.metrics.requests.WithLabelValues(fmt.Sprint(answer.Status)).Inc()
	if answer.Status < 200 || answer.Status > 299 {
		return s.refusal(answer, time.Now())
	}
	return s.accepted(answer)
}

// accepted reads an answer of success. One that is none of OTLP comes from somebody else,
// such as a proxy that shows a page.
func (s *Sink) accepted(a httpdest.Answer) error {
	if len(a.Body) == 0 {
		return nil
	}
	rejected, message, err := response(a.Header.Get("Content-Type"), a.Body)
	if err != nil {
		return s.client.Error(fmt.Errorf("POST %s: the answer is %d %s, but none of OTLP%s; check host, port and path",
			s.client.Target(), a.Status, http.StatusText(a.Status), s.client.Said(string(a.Body))))
	}
	if rejected > 0 {
		s.metrics.rejected.Add(float64(rejected))
	}
	if rejected > 0 || message != "" {
		s.tell(rejected, message, time.Now())
	}
	return nil
}

// tell logs what a receiver says of records that it has rejected, or will.
func (s *Sink) tell(rejected int64, message string, now time.Time) {
	last := s.told.Load()
	if now.UnixNano()-last < int64(time.Minute) || !s.told.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	s.log.Info("The receiver has accepted a request in part; what it rejects is lost there", "rejected", rejected,
		"message", strings.TrimPrefix(s.client.Said(message), ": "))
}
