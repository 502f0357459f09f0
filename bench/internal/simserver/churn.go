package simserver

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Churn is how the objects change.
type Churn struct {
	// PerSecond is how many changes there are per second, of all members
	// together.
	PerSecond float64
	// Skew is how unevenly they fall upon the members: the n-th one gets a share
	// of 1/n^Skew. Zero is evenly; with 1 and a thousand members the first one
	// has an eighth of all.
	Skew float64
	// Replaced is the share of the changes, from 0 to 1, that delete an object;
	// the next change to it makes a new one of that name.
	Replaced float64
}

// Validate returns what is wrong with c.
func (c Churn) Validate() error {
	var errs []error
	if !(c.PerSecond >= 0) || math.IsInf(c.PerSecond, 0) {
		errs = append(errs, fmt.Errorf("changes per second: must be a number of at least 0, is %v", c.PerSecond))
	}
	if !(c.Skew >= 0) || math.IsInf(c.Skew, 0) {
		errs = append(errs, fmt.Errorf("skew: must be a number of at least 0, is %v", c.Skew))
	}
	if !(c.Replaced >= 0 && c.Replaced <= 1) {
		errs = append(errs, fmt.Errorf("share of replaced objects: must be from 0 to 1, is %v", c.Replaced))
	}
	return errors.Join(errs...)
}

// churnTick is how often changes are made: as many at once as are due.
const churnTick = 10 * time.Millisecond

// Churn changes objects until ctx ends, and returns how many changes it made.
// What it could not make in time, on a machine that is too busy, it makes up for
// as far as a second. Members without objects get their first ones.
func (s *Server) Churn(ctx context.Context, c Churn) (changes int64, err error) {
	if err := c.Validate(); err != nil {
		return 0, err
	}
	if c.PerSecond == 0 {
		<-ctx.Done()
		return 0, nil
	}
	// sums[i] is the share of the first i+1 members.
	sums := make([]float64, len(s.members))
	total := 0.0
	for i := range sums {
		total += math.Pow(float64(i+1), -c.Skew)
		sums[i] = total
	}
	ticker := time.NewTicker(churnTick)
	defer ticker.Stop()
	last, due := time.Now(), 0.0
	for {
		select {
		case <-ctx.Done():
			return changes, nil
		case now := <-ticker.C:
			due = min(due+now.Sub(last).Seconds()*c.PerSecond, max(c.PerSecond, 1))
			last = now
		}
		for ; due >= 1; due-- {
			i, _ := slices.BinarySearch(sums, rand.Float64()*total)
			m := s.members[min(i, len(sums)-1)]
			resource := s.o.Resources[rand.IntN(len(s.o.Resources))]
			number := rand.IntN(max(s.o.Objects, 1))
			if rand.Float64() < c.Replaced {
				m.Delete(resource, number)
			} else {
				m.Touch(resource, number)
			}
			changes++
		}
	}
}
