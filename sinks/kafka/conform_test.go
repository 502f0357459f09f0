package kafka_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/kafka"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

func TestConformance(t *testing.T) {
	for name, with := range map[string]func(*kafka.Options){
		"structured": nil,
		"binary":     func(o *kafka.Options) { o.Binding = kafka.Binary },
		"no tombstones, uncompressed": func(o *kafka.Options) {
			o.Tombstones, o.Compression = kafka.None, "none"
		},
	} {
		t.Run(name, func(t *testing.T) {
			sinktest.Run(t, func(t *testing.T) (pipeline.Sink, func() []pipeline.Event) {
				c := start(t)
				return open(t, c, with), c.events
			})
		})
	}
}

func TestOutages(t *testing.T) {
	short := func(o *kafka.Options) { o.Timeout = 2 * time.Second }
	sinktest.RunOutages(t, func(t *testing.T) sinktest.Stand {
		c := start(t)
		var resume func()
		return sinktest.Stand{
			Sink:   open(t, c, short),
			Events: c.events,
			Stop:   func() { c.Close() },
			Start:  func() { c.run() },
			Hang:   func() { resume = c.wire.hang() },
			Resume: func() { resume() },
			Waits:  c.wire.hasAnswer,
			Open:   func() pipeline.Sink { return open(t, c, short) },
		}
	})
}

// A record that is too large for the brokers is refused by itself.
func TestPoison(t *testing.T) {
	sinktest.RunPoison(t, func(t *testing.T) (sinktest.Stand, func(*pipeline.Change)) {
		c := start(t, kfake.BrokerConfigs(map[string]string{"message.max.bytes": strconv.Itoa(256 << 10)}))
		return sinktest.Stand{Sink: open(t, c, func(o *kafka.Options) { o.Compression = "none" }), Events: c.events}, enlarge
	})
}

func enlarge(c *pipeline.Change) {
	c.Object = fmt.Appendf(nil, `{"data":{"k":%q}}`, strings.Repeat("x", 512<<10))
}
