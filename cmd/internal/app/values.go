package app

import (
	"errors"
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fairlead-dev/fairlead/ratelimit"
)

// byteSize is a flag for a number of bytes, written as a Kubernetes quantity.
type byteSize int64

func (b *byteSize) Set(s string) error {
	q, err := resource.ParseQuantity(s)
	if err != nil {
		return errors.New("no size; give bytes as a number or with a suffix, such as 16Mi")
	}
	*b = byteSize(q.Value())
	return nil
}

func (b *byteSize) String() string {
	return resource.NewQuantity(int64(*b), resource.BinarySI).String()
}

func (b *byteSize) Type() string { return "bytes" }

func parseRate(s string) (float64, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no number of 0 or more", s)
	}
	if err := ratelimit.CheckQPS(f); err != nil {
		return 0, fmt.Errorf("%q: %w", s, err)
	}
	return f, nil
}

func parseCount(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is no whole number of 1 or more", s)
	}
	return n, nil
}
