package stream

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// SurveyCollector shows the metrics of surveys. It reads their status when it is scraped,
// so the series of a member vanish with it.
type SurveyCollector struct {
	surveys func() map[string]SurveyStatus
}

// NewSurveyCollector returns a collector over the surveys that exist, by member, when
// surveys is called, which may be from any goroutine and must not block on a member.
func NewSurveyCollector(surveys func() map[string]SurveyStatus) *SurveyCollector {
	return &SurveyCollector{surveys}
}

var _ prometheus.Collector = (*SurveyCollector)(nil)

var (
	descWildcardStreams = prometheus.NewDesc("fairlead_wildcard_streams", "Streams of the member that wildcards in --watch make.", []string{"cluster"}, nil)
	descWildcardLeft    = prometheus.NewDesc("fairlead_wildcard_resources_left_out", "Resources of the member that wildcards in --watch leave out. See survey in /clusters.", []string{"cluster"}, nil)
	descWildcardBeyond  = prometheus.NewDesc("fairlead_wildcard_resources_beyond_max_streams", "Those of them for which there was no place. See --max-streams.", []string{"cluster"}, nil)
)

// Describe implements prometheus.Collector.
func (c *SurveyCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- descWildcardStreams
	ch <- descWildcardLeft
	ch <- descWildcardBeyond
}

// Collect implements prometheus.Collector.
func (c *SurveyCollector) Collect(ch chan<- prometheus.Metric) {
	all := c.surveys()
	for _, cluster := range slices.Sorted(maps.Keys(all)) {
		s := all[cluster]
		send := func(d *prometheus.Desc, n int) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), cluster)
		}
		send(descWildcardStreams, s.Streams)
		send(descWildcardLeft, s.LeftOutCount)
		send(descWildcardBeyond, s.Beyond)
	}
}
