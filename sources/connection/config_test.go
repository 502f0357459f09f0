package connection

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestConfigValidate(t *testing.T) {
	for _, tt := range []struct {
		config Config
		want   []string // fields that are named, in order
	}{
		{Config{}, nil},
		{Config{ReconnectMin: time.Second, ReconnectMax: time.Second, QPS: 0.1, Burst: 1}, nil},
		{Config{ReconnectMax: time.Millisecond}, []string{"ReconnectMin"}},
		{Config{ReconnectMin: time.Hour}, []string{"ReconnectMin"}},
		{Config{QPS: math.NaN()}, []string{"QPS"}},
		{Config{QPS: math.Inf(1)}, []string{"QPS"}},
		{
			Config{ConnectTimeout: -1, ReconnectMin: -1, ReconnectMax: -1, HealthInterval: -1, ReachInterval: -1, QPS: -1, Burst: -1},
			[]string{"ConnectTimeout", "ReconnectMin", "ReconnectMax", "HealthInterval", "ReachInterval", "QPS", "Burst"},
		},
	} {
		var got []string
		if err := tt.config.Validate(); err != nil {
			for line := range strings.Lines(err.Error()) {
				field, _, _ := strings.Cut(line, ":")
				got = append(got, field)
			}
		}
		if strings.Join(got, " ") != strings.Join(tt.want, " ") {
			t.Errorf("%+v: %v, want %v", tt.config, got, tt.want)
		}
		if _, err := New(Options{Cluster: "a", Config: tt.config}); (err != nil) != (tt.want != nil) {
			t.Errorf("New: %v", err)
		}
	}
	if _, err := New(Options{}); err == nil {
		t.Error("a connection without a name")
	}
}
