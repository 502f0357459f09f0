package app

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// reloadMetrics tell of the configuration file.
type reloadMetrics struct {
	successful, at prometheus.Gauge
	restart        *prometheus.GaugeVec
}

func newReloadMetrics(reg prometheus.Registerer) (reloadMetrics, error) {
	m := reloadMetrics{
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fairlead_config_last_reload_successful",
			Help: "1 if the configuration file was valid when it was read last, else 0.",
		}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fairlead_config_last_reload_success_timestamp_seconds",
			Help: "When the configuration file was read last and was valid, in seconds since 1970.",
		}),
		restart: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "fairlead_config_restart_required",
			Help: "1 for each flag whose value in the configuration file needs a restart of the program.",
		}, []string{"flag"}),
	}
	return m, errors.Join(reg.Register(m.successful), reg.Register(m.at), reg.Register(m.restart))
}

// loaded notes that the file was valid.
func (m *reloadMetrics) loaded(restart []string) {
	m.successful.Set(1)
	m.at.SetToCurrentTime()
	m.restart.Reset()
	for _, flag := range restart {
		m.restart.WithLabelValues(flag).Set(1)
	}
}
