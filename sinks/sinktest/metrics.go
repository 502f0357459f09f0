package sinktest

import (
	"errors"
	"io"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// RunMetrics runs what a sink with metrics has to do with them: one that cannot be made leaves
// none behind, so that the next attempt registers them, and two sinks share none. open opens a
// sink, whose destination need not be there.
func RunMetrics(t *testing.T, open func(prometheus.Registerer) (pipeline.Sink, error)) {
	registry := prometheus.NewRegistry()
	const enough = 100
	for room := range enough {
		sink, err := open(&full{Registerer: registry, room: room})
		if err != nil {
			continue // until all of them have room
		}
		if closer, is := sink.(io.Closer); is {
			defer closer.Close() //nolint:errcheck // It has written nothing.
		}
		if room == 0 {
			t.Fatal("it registers no metrics")
		}
		if _, err := open(registry); err == nil {
			t.Fatal("two sinks share metrics")
		}
		return
	}
	t.Fatal("a sink that could not be made has left metrics behind: the next attempts fail")
}

// full takes some collectors and no more.
type full struct {
	prometheus.Registerer
	room int
}

func (f *full) Register(c prometheus.Collector) error {
	if f.room--; f.room < 0 {
		return errors.New("there are too many metrics")
	}
	return f.Registerer.Register(c)
}
