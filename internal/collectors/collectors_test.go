package collectors_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/internal/collectors"
)

// All are registered or none, and what was there before stays.
func TestRegister(t *testing.T) {
	counter := func(name string) prometheus.Collector {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name})
	}
	registry := prometheus.NewRegistry()
	if err := collectors.Register(registry, "another", counter("taken")); err != nil {
		t.Fatal(err)
	}
	err := collectors.Register(registry, "an owner", counter("a"), counter("b"), counter("taken"), counter("c"))
	if err == nil || !strings.Contains(err.Error(), "an owner") || !strings.Contains(err.Error(), "of its own") {
		t.Errorf("what is taken is registered again: %v", err)
	}
	names := func() (all string) {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			all += f.GetName() + " "
		}
		return all
	}
	if got := names(); got != "taken " {
		t.Errorf("after it there are %s", got)
	}
	if err := collectors.Register(registry, "an owner", counter("a"), counter("b")); err != nil || names() != "a b taken " {
		t.Errorf("%v, there are %s", err, names())
	}
	if err := collectors.Register(nil, "an owner", counter("a")); err != nil {
		t.Errorf("without a registry: %v", err)
	}
}
