package collectors

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Register registers the collectors, or none of them if one cannot be registered. The error
// says whose they are. Without a registry it does nothing.
func Register(in prometheus.Registerer, owner string, all ...prometheus.Collector) error {
	if in == nil {
		return nil
	}
	for i, c := range all {
		if err := in.Register(c); err != nil {
			for _, before := range all[:i] {
				in.Unregister(before)
			}
			if _, taken := errors.AsType[prometheus.AlreadyRegisteredError](err); taken {
				err = fmt.Errorf("%w; give each owner of metrics a registry, or a label, of its own", err)
			}
			return fmt.Errorf("register the metrics of %s: %w", owner, err)
		}
	}
	return nil
}
