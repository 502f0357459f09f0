package httpsink_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/fairlead-dev/fairlead/pipeline"
	httpsink "github.com/fairlead-dev/fairlead/sinks/http"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// parseSDK reads the three modes with the SDK of CloudEvents.
func parseSDK(r *http.Request) ([]pipeline.Event, error) {
	m := cehttp.NewMessageFromHttpRequest(r)
	var all []event.Event
	var err error
	switch mode := m.ReadEncoding(); mode {
	case binding.EncodingBatch:
		all, err = binding.ToEvents(r.Context(), m, r.Body)
	case binding.EncodingBinary:
		var e *event.Event
		if e, err = binding.ToEvent(r.Context(), m); err == nil {
			all, err = []event.Event{*e}, unescape(e)
		}
	case binding.EncodingStructured:
		var e *event.Event
		if e, err = binding.ToEvent(r.Context(), m); err == nil {
			all = []event.Event{*e}
		}
	default:
		err = fmt.Errorf("mode %v", mode)
	}
	if err != nil {
		if r.Context().Err() != nil {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	var events []pipeline.Event
	for _, one := range all {
		text, err := json.Marshal(one)
		if err != nil {
			return nil, err
		}
		e, err := pipeline.ParseEvent(text)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

// unescape decodes the attributes of an event in binary mode, which the SDK leaves as
// they stand in the headers.
func unescape(e *event.Event) error {
	for _, attribute := range []struct {
		value string
		set   func(string)
	}{{e.Source(), e.SetSource}, {e.Subject(), e.SetSubject}, {e.ID(), e.SetID}} {
		decoded, err := url.PathUnescape(attribute.value)
		if err != nil {
			return err
		}
		attribute.set(decoded)
	}
	for name, value := range e.Extensions() {
		decoded, err := url.PathUnescape(fmt.Sprint(value))
		if err != nil {
			return err
		}
		e.SetExtension(name, typed(name, decoded))
	}
	return nil
}

var modes = []httpsink.Format{httpsink.Structured, httpsink.Binary, httpsink.Batch}

// TestConformance is against a receiver of the SDK. TestConformanceOverHTTP2 is against
// one of our own.
func TestConformance(t *testing.T) {
	for _, mode := range modes {
		t.Run(string(mode), func(t *testing.T) {
			sinktest.Run(t, func(t *testing.T) (pipeline.Sink, func() []pipeline.Event) {
				r := newReceiver(t, parseSDK)
				return open(t, httpsink.Options{URL: r.URL, Format: mode}), r.read
			})
		})
	}
	t.Run("a template", func(t *testing.T) {
		sinktest.Run(t, func(t *testing.T) (pipeline.Sink, func() []pipeline.Event) {
			r := newReceiver(t, parseOwn)
			return open(t, httpsink.Options{
				URL: r.URL, Format: httpsink.Template, Template: "{{.Event}}", Join: httpsink.JoinArray, ContentType: "application/cloudevents-batch+json; charset=utf-8",
			}), r.read
		})
	})
}

// A batch has one answer, so that only events that are sent one by one are refused by
// themselves.
func TestRefusals(t *testing.T) {
	for _, mode := range []httpsink.Format{httpsink.Structured, httpsink.Binary} {
		t.Run(string(mode), func(t *testing.T) {
			sinktest.RunRefusing(t, func(t *testing.T) (pipeline.Sink, func() []pipeline.Event, func(func(*pipeline.Change) error)) {
				r := newReceiver(t, parseOwn)
				return open(t, httpsink.Options{URL: r.URL, Format: mode}), r.read, r.refuseFor
			})
		})
	}
}

func TestOutages(t *testing.T) {
	for _, mode := range modes {
		t.Run(string(mode), func(t *testing.T) {
			sinktest.RunOutages(t, func(t *testing.T) sinktest.Stand {
				r := newReceiver(t, parseOwn)
				hang := make(chan struct{})
				return sinktest.Stand{
					Sink: open(t, httpsink.Options{URL: r.URL, Format: mode}), Events: r.read, Stop: r.stop, Start: r.start,
					Hang: func() { r.hangUntil(hang) },
					Resume: func() {
						r.hangUntil(nil)
						close(hang)
					},
					Waits: r.isWaitedFor,
					Open:  func() pipeline.Sink { return open(t, httpsink.Options{URL: r.URL, Format: mode}) },
				}
			})
		})
	}
}
