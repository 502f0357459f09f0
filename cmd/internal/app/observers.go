package app

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/fairlead-dev/fairlead/pipeline/stage"
)

// observers are told what sinks answer. They hold up deliveries: each may take no more
// than about a microsecond, and waits for nothing.
type observers struct {
	mu  sync.Mutex // of those who write
	all atomic.Pointer[[]*observer]
}

type observer struct {
	observe func(route string, d stage.Delivery)
}

// add has f told of each answer from now on, by many goroutines at once. A call may be
// under way when remove returns.
func (o *observers) add(f func(route string, d stage.Delivery)) (remove func()) {
	added := &observer{f}
	o.change(func(all []*observer) []*observer { return append(all, added) })
	return func() {
		o.change(func(all []*observer) []*observer {
			return slices.DeleteFunc(all, func(of *observer) bool { return of == added })
		})
	}
}

func (o *observers) change(f func([]*observer) []*observer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []*observer
	if now := o.all.Load(); now != nil {
		all = slices.Clone(*now)
	}
	all = f(all)
	o.all.Store(&all)
}

// of returns what a route's stage calls.
func (o *observers) of(route string) func(stage.Delivery) {
	return func(d stage.Delivery) {
		if all := o.all.Load(); all != nil {
			for _, one := range *all {
				one.observe(route, d)
			}
		}
	}
}
