package trace

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	collectorpb "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/fairlead-dev/fairlead/internal/httpdest"
	"github.com/fairlead-dev/fairlead/internal/reach"
	"github.com/fairlead-dev/fairlead/internal/retry"
)

const (
	contentType = "application/x-protobuf"
	// most is how many answers are sent at once, at the latest after every.
	most, every = 512, time.Second
	// requestTimeout bounds a request, lastTimeout the one in the end.
	requestTimeout, lastTimeout = 10 * time.Second, time.Second
	// maxAnswer bounds an answer of the receiver, in bytes.
	maxAnswer = 64 << 10
	// patience is for how long the same spans are tried again.
	patience = time.Minute
	// The pauses between two tries.
	firstPause, longestPause = time.Second, 15 * time.Second
)

// Run sends spans until ctx ends, and then once more what there is, for one second at
// most. It returns nil. It can be called once.
func (t *Tracer) Run(ctx context.Context) error {
	defer t.client.Close() //nolint:errcheck // It ends idle connections.
	tick := time.NewTicker(every)
	defer tick.Stop()
	well := true
	var waiting []answer
	var writes calls
	for ctx.Err() == nil {
		select {
		case a := <-t.queue:
			if waiting = append(waiting, a); len(waiting) < most {
				continue
			}
		case <-tick.C:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			continue
		}
		now := time.Now()
		spans := append(writes.spansOf(waiting, now), writes.overdue(now, false)...)
		if waiting = waiting[:0]; len(spans) > 0 {
			well = t.deliver(ctx, spans, well)
		}
	}
	for len(t.queue) > 0 && len(waiting) < queueSize {
		waiting = append(waiting, <-t.queue)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTimeout)
	defer cancel()
	for len(waiting) > 0 || len(writes.open) > 0 {
		n := min(len(waiting), most)
		now := time.Now()
		spans := append(writes.spansOf(waiting[:n], now), writes.overdue(now, n == len(waiting))...)
		if _, err := t.post(last, spans); err != nil {
			t.metrics.dropped.WithLabelValues(droppedReceiver).Add(float64(len(spans)))
		}
		waiting = waiting[n:]
	}
	return nil
}

// deliver sends spans, or gives them up. It tells a change of how that goes.
func (t *Tracer) deliver(ctx context.Context, spans []*tracepb.Span, well bool) bool {
	pauses := retry.NewBackOff(firstPause, longestPause)
	began := time.Now()
	for {
		again, err := t.post(ctx, spans)
		switch {
		case err == nil:
			if !well {
				t.o.Log.Info("Spans are sent again", "to", t.client.Target())
			}
			return true
		case ctx.Err() != nil:
			t.metrics.dropped.WithLabelValues(droppedReceiver).Add(float64(len(spans)))
			return well
		case well:
			well = false
			t.o.Log.Error(err, "Could not send spans; more are dropped until that works", "to", t.client.Target())
		}
		if !again || time.Since(began) > patience || retry.Sleep(ctx, pauses.NextBackOff()) != nil {
			t.metrics.dropped.WithLabelValues(droppedReceiver).Add(float64(len(spans)))
			return well
		}
	}
}

// post sends spans once. again tells whether to try it again, as OTLP has it.
func (t *Tracer) post(ctx context.Context, spans []*tracepb.Span) (again bool, err error) {
	body, err := proto.Marshal(&collectorpb.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource: t.resource.proto(),
		ScopeSpans: []*tracepb.ScopeSpans{{
			Scope: &commonpb.InstrumentationScope{Name: scopeName, Version: t.resource.version}, Spans: spans,
		}},
	}}})
	if err != nil {
		return false, fmt.Errorf("encode spans: %w", err)
	}
	a, err := t.client.Post(ctx, body)
	if err != nil {
		err = fmt.Errorf("POST %s: %w", t.client.Target(), err)
		if advice := reach.Advice(err); advice != "" {
			err = fmt.Errorf("%w; %s", err, advice)
		}
		return true, err
	}
	if a.Status < 200 || a.Status > 299 {
		advice := ""
		switch a.Status {
		case http.StatusNotFound, http.StatusMethodNotAllowed:
			advice = "; check the path: it is /v1/traces as a rule"
		case http.StatusUnauthorized, http.StatusForbidden:
			advice = "; check token-file or header-file"
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			again = true
		}
		return again, t.client.Error(fmt.Errorf("POST %s: %d %s%s%s", t.client.Target(), a.Status, http.StatusText(a.Status), t.client.Said(string(a.Body)), advice))
	}
	rejected, err := rejectedOf(a, len(spans))
	if err != nil {
		return false, t.client.Error(fmt.Errorf("POST %s: the answer is %d %s, but none of OTLP%s; check host, port and path",
			t.client.Target(), a.Status, http.StatusText(a.Status), t.client.Said(string(a.Body))))
	}
	t.metrics.sent.Add(float64(len(spans) - rejected))
	t.metrics.dropped.WithLabelValues(droppedReceiver).Add(float64(rejected))
	return false, nil
}

// rejectedOf returns how many of so many spans a receiver has left out of a request that it
// has accepted: they may not be sent again. Some receivers answer in JSON, and the answer
// may claim any number.
func rejectedOf(a httpdest.Answer, sent int) (int, error) {
	unmarshal := proto.Unmarshal
	if kind, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";"); strings.EqualFold(strings.TrimSpace(kind), "application/json") {
		unmarshal = protojson.Unmarshal
	}
	var r collectorpb.ExportTraceServiceResponse
	if len(a.Body) > 0 {
		if err := unmarshal(a.Body, &r); err != nil {
			return 0, err
		}
	}
	return int(max(0, min(r.GetPartialSuccess().GetRejectedSpans(), int64(sent)))), nil
}
