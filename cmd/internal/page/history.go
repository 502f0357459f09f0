package page

import (
	"math"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

const (
	// every is the time between two points, and points is how many are kept: a quarter of
	// an hour.
	every  = 10 * time.Second
	points = 90
	// unknown is a point of which nothing is known.
	unknown = math.MaxUint16
)

// series are the points of one cluster, in a ring that turns for all clusters at once. A
// point takes two bytes: the values are kept in fixed steps and end at the largest one.
type series struct {
	lag, throttled, rate [points]uint16

	counted      bool // what follows is known
	handedOut    uint64
	throttledFor []float64 // by route, in the order of api.Cluster.Routes
}

// The steps: a tenth of a second (up to 1.8 h), a thousandth, and a tenth of a change per
// second (up to 6,553).
const (
	lagSteps       = 10
	throttledSteps = 1000
	rateSteps      = 10
)

func newSeries() *series {
	s := new(series)
	for i := range points {
		s.forget(i)
	}
	return s
}

// forget has the point at i say that nothing is known.
func (s *series) forget(i int) { s.lag[i], s.throttled[i], s.rate[i] = unknown, unknown, unknown }

// note writes the point at i, of what passed since the one before. Deliveries are those to
// all sinks; tokens are of one route each, so that the one that waits longest counts.
func (s *series) note(i int, passed time.Duration, lag float64, c *api.Cluster) {
	s.forget(i)
	s.lag[i] = steps(lag, lagSteps)
	// Counts begin anew when the settings have changed.
	known := s.counted && passed > 0 && c.Counts.HandedOut >= s.handedOut && len(c.Routes) == len(s.throttledFor)
	longest := 0.
	for j := 0; known && j < len(c.Routes); j++ {
		missing := c.Routes[j].Counts.ThrottledSeconds - s.throttledFor[j]
		known, longest = missing >= 0, max(longest, missing)
	}
	if known {
		s.rate[i] = steps(float64(c.Counts.HandedOut-s.handedOut)/passed.Seconds(), rateSteps)
		s.throttled[i] = steps(longest/passed.Seconds(), throttledSteps)
	}
	s.counted, s.handedOut, s.throttledFor = true, c.Counts.HandedOut, s.throttledFor[:0]
	for j := range c.Routes {
		s.throttledFor = append(s.throttledFor, c.Routes[j].Counts.ThrottledSeconds)
	}
}

// steps rounds up, so that little is not nothing.
func steps(value, perUnit float64) uint16 {
	return uint16(min(math.Ceil(max(value, 0)*perUnit-1e-6), unknown-1))
}

// from returns a ring's values, the oldest first: head is where the next one comes.
func from(ring *[points]uint16, head int, perUnit float64) []float64 {
	out := make([]float64, points)
	for i := range out {
		if v := ring[(head+i)%points]; v == unknown {
			out[i] = -1
		} else {
			out[i] = float64(v) / perUnit
		}
	}
	return out
}

// last returns a ring's newest value, nil if it is not known.
func last(ring *[points]uint16, head int, perUnit float64) *float64 {
	v := ring[(head+points-1)%points]
	if v == unknown {
		return nil
	}
	return new(float64(v) / perUnit)
}

func (s *series) history(head int) api.History {
	if s == nil {
		s = newSeries()
	}
	return api.History{
		EverySeconds: int(every / time.Second), LagSeconds: from(&s.lag, head, lagSteps),
		Throttled: from(&s.throttled, head, throttledSteps), DeliveriesPerSecond: from(&s.rate, head, rateSteps),
	}
}
