package app

import (
	"fmt"

	"github.com/fairlead-dev/fairlead/cmd/internal/trace"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// checkTracing reports what is wrong with --trace-endpoint.
func (c *Config) checkTracing(p *problems) {
	if c.TraceEndpoint != "" {
		_, err := trace.ParseEndpoint(c.TraceEndpoint)
		p.addError("trace-endpoint", err)
	}
}

// newTracer returns what traces changes; nil if nothing is to.
func (p *program) newTracer() (*trace.Tracer, error) {
	s := p.settings
	if s.TraceEndpoint == "" {
		return nil, nil
	}
	to, err := trace.ParseEndpoint(s.TraceEndpoint)
	if err != nil {
		return nil, fmt.Errorf("--trace-endpoint: %w", err)
	}
	t, err := trace.New(trace.Options{
		Endpoint: to, Ratio: s.TraceRatio, Lag: s.TraceLag, UserAgent: s.userAgent(), Log: p.log.WithName("trace"),
	})
	if err != nil {
		return nil, fmt.Errorf("--trace-endpoint: %w", err)
	}
	return t, nil
}

// traceOf returns what chooses the changes of a route that are traced; nil: none is.
func (p *program) traceOf(route string) func(*pipeline.Change) *pipeline.Trace {
	if p.tracer == nil {
		return nil
	}
	return p.tracer.Choose(route)
}

// startTracing sends spans until stop is called, after the last transaction of the ledger.
func (p *program) startTracing(ps *parts) (stop func()) {
	if p.tracer == nil {
		return func() {}
	}
	remove := p.observers.add(p.tracer.Observe)
	end := ps.start("the traces", p.tracer.Run)
	return func() {
		remove()
		end()
	}
}
