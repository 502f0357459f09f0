package app

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"k8s.io/apimachinery/pkg/api/resource"
)

// byteSize is a flag for a number of bytes, written as a Kubernetes quantity.
type byteSize int64

func (b *byteSize) Set(s string) error {
	q, err := resource.ParseQuantity(s)
	if err != nil {
		return errors.New("no size; give bytes as a number or with a suffix, such as 16Mi")
	}
	switch largest := resource.NewQuantity(math.MaxInt64, resource.BinarySI); { // beyond it, Value wraps around
	case q.Cmp(*largest) > 0:
		*b = math.MaxInt64
	case q.Sign() < 0:
		*b = -1 // whatever it is, it is refused
	default:
		*b = byteSize(q.Value())
	}
	return nil
}

func (b *byteSize) String() string {
	return resource.NewQuantity(int64(*b), resource.BinarySI).String()
}

func (b *byteSize) Type() string { return "bytes" }

func parseRate(s string) (float64, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != 0 && !(leastRate <= f && f <= mostRate) {
		return 0, fmt.Errorf("%q is neither 0, for no limit, nor a number from %v to %v", s, leastRate, float64(mostRate))
	}
	return f, nil
}

func parseCount(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > mostBurst {
		return 0, fmt.Errorf("%q is no whole number from 1 to %d", s, mostBurst)
	}
	return n, nil
}
