package app

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/fairlead-dev/fairlead/ratelimit"
)

func parseFlags(t *testing.T, args ...string) (*settings, error) {
	t.Helper()
	var cfg Config
	set := pflag.NewFlagSet("run", pflag.ContinueOnError)
	cfg.addFlags(set, new(Options))
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	return load(cfg.given, Options{})
}

func TestDefaultsAreValid(t *testing.T) {
	s, err := parseFlags(t, "--watch=pods")
	if err != nil {
		t.Fatal(err)
	}
	if len(s.sinks) != 1 || s.sinks[0].Identity != "stdout:" {
		t.Errorf("sinks %+v, want stdout", s.sinks)
	}
	if s.LaneBytes.String() != "16Mi" {
		t.Errorf("--lane-bytes defaults to %s, want 16Mi", s.LaneBytes.String())
	}
}

func TestEveryBadFlagIsReportedAtOnce(t *testing.T) {
	_, err := parseFlags(t,
		"--clusters=ftp:x", "--watch=a//b", "--sink=fax:1", "--sink=file:", "--sink=stdout:x",
		"--cluster-qps=-1", "--cluster-snapshot-qps=-1", "--cluster-burst=0", "--cluster-limit=x", "--lane-capacity=0", "--lane-bytes=0",
		"--workers=-3", "--api-qps=0", "--api-burst=0", "--reconnect-min=2m", "--reconnect-max=1m",
		"--connect-timeout=0s", "--sync-timeout=-1s", "--stale-after=0s", "--max-concurrent-snapshots=0", "--drain-timeout=-1s",
		"--metrics-bind-address=nowhere", "--health-probe-bind-address=8081", "--admin-bind-address=x", "--log-level=loud", "--log-format=xml",
		"--leader-elect", "--leader-election-id=No_Name", "--leader-election-namespace=a.b", "--leader-election-lease-duration=10s")
	if err == nil {
		t.Fatal("no error")
	}
	for _, flag := range []string{
		"clusters", "watch", "sink", "cluster-qps", "cluster-snapshot-qps", "cluster-burst", "cluster-limit", "lane-capacity", "lane-bytes",
		"workers", "api-qps", "api-burst", "reconnect-min", "connect-timeout", "sync-timeout", "stale-after",
		"max-concurrent-snapshots", "drain-timeout", "metrics-bind-address", "health-probe-bind-address", "admin-bind-address", "log-level", "log-format",
		"leader-elect: renew deadline 10s", "leader-election-id", "leader-election-namespace",
	} {
		if !strings.Contains(err.Error(), "--"+flag) {
			t.Errorf("--%s is not reported", flag)
		}
	}
	if t.Failed() {
		t.Log(err)
	}
}

func TestAbsurdValuesAreRefused(t *testing.T) {
	for flag, want := range map[string]string{
		"cluster-qps=1e300": "1e+06", "cluster-qps=1e-300": "0.001", "cluster-qps=NaN": "no number", "cluster-qps=Inf": "0 for no limit",
		"cluster-burst=99999999999999": "10000000",
		"cluster-limit=a=1e300:1":      "1e+06", "cluster-limit=a=1:99999999999": "10000000", "cluster-limit=a=1e-300:1": "0.001",
		"max-objects=-1": "0 is no bound", "max-objects=99999999999": "1000000000", "max-ledger-bytes=-1": "0 is no bound", "max-ledger-bytes=9Ei": "1Ti",
		"lane-capacity=999999999999": "10000000", "lane-bytes=9Ei": "1Ti", "lane-bytes=1e30": "1Ti", "lane-bytes=-1e30": "16Mi", "workers=10000000": "10000",
		"memory-budget=48Mi": "less than 49Mi, the least it can be; each sink needs 33Mi", "memory-budget=-1": "49Mi", "memory-budget=2Ti": "1Ti",
		"api-qps=1e300": "1e+06", "api-burst=99999999999": "10000000", "max-concurrent-snapshots=1000000": "10000",
		"stale-after=1ns": "bookmark", "audit-interval=1ns": "0 is never", "audit-interval=-1s": "0 is never",
		"reconnect-min=1ns": "10ms", "reconnect-max=0": "10ms", "reconnect-max=9000h": "24h", "connect-timeout=1ns": "100ms",
		"sync-timeout=1ns": "1s", "ledger-retention=1ns": "1m", "drain-timeout=90h": "1h",
		"hub-kubeconfig=/nonexistent":                   "leave the flag out",
		"cluster-profile-access-providers=/nonexistent": "leave the flag out",
		"hub-kubeconfig=/":                              "folder",
		"include-hub=":                                  "leave the flag out",
		"stale-after=5":                                 "such as 30s", "workers=x": "whole number", "api-qps=": "no number", "leader-elect=maybe": "true or false",
	} {
		_, err := parseFlags(t, "--watch=pods", "--"+flag)
		if err == nil {
			t.Errorf("--%s is accepted", flag)
			continue
		}
		name, _, _ := strings.Cut(flag, "=")
		if told := err.Error(); strings.Count(told, "--"+name+":") != 1 || strings.Contains(told, "\n") || !strings.Contains(told, want) {
			t.Errorf("--%s: %v, want one line that says %q", flag, err, want)
		}
	}
	for _, flag := range []string{
		"cluster-qps=0", "cluster-qps=0.001", "cluster-snapshot-qps=0", "cluster-snapshot-qps=1e6", "max-objects=0", "max-objects=1", "max-ledger-bytes=0", "max-ledger-bytes=64Mi", "audit-interval=0", "drain-timeout=0", "stale-after=2s", "reconnect-min=60s", "workers=1", "lane-bytes=1Gi",
		"memory-budget=49Mi", "memory-budget=1Gi", "memory-budget=100000000",
	} {
		if _, err := parseFlags(t, "--watch=pods", "--"+flag); err != nil {
			t.Errorf("--%s: %v", flag, err)
		}
	}
}

func TestMissingWatchIsReportedOnce(t *testing.T) {
	_, err := parseFlags(t)
	if err == nil || strings.Count(err.Error(), "--watch") != 1 || !strings.Contains(err.Error(), "name at least one") {
		t.Errorf("without --watch: %v, want one error that says what to give", err)
	}
}

func TestLeaseNamespace(t *testing.T) {
	pod := filepath.Join(t.TempDir(), "namespace")
	if _, err := new(Config).leaseNamespace(pod); err == nil || !strings.Contains(err.Error(), "name the namespace") {
		t.Errorf("outside of a Pod: %v", err)
	}
	writeFile(t, pod, "fleet\n")
	for given, want := range map[string]string{"": "fleet", "other": "other"} {
		c := Config{LeaderElectionNamespace: given}
		if got, err := c.leaseNamespace(pod); err != nil || got != want {
			t.Errorf("with --leader-election-namespace=%s: %q, %v, want %q", given, got, err, want)
		}
	}
}

func TestEveryUnreadableFlagIsReportedAtOnce(t *testing.T) {
	_, err := parseFlags(t, "--watch=pods", "--cluster-qps=x", "--workers=1.5", "--sync-timeout=soon", "--lane-bytes=much", "--log-level=loud")
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"--cluster-qps", "--workers", "--sync-timeout", "--lane-bytes", "--log-level"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not reported: %v", want, err)
		}
	}
}

func TestParseClusterLimit(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want clusterLimit
		err  string
	}{
		{in: "a=5:10", want: clusterLimit{"a", ratelimit.Limit{QPS: 5, Burst: 10}, 1}},
		{in: "a=0.5:1:7", want: clusterLimit{"a", ratelimit.Limit{QPS: 0.5, Burst: 1}, 7}},
		{in: "arn:aws:eks:eu:1:cluster/x=y=5:10", want: clusterLimit{"arn:aws:eks:eu:1:cluster/x=y", ratelimit.Limit{QPS: 5, Burst: 10}, 1}},
		{in: "5:10", err: "no cluster name"},
		{in: "=5:10", err: "no cluster name"},
		{in: "a=5", err: "NAME=QPS:BURST"},
		{in: "a=5:1:1:1", err: "NAME=QPS:BURST"},
		{in: "a=-5:1", err: "QPS"},
		{in: "a=NaN:1", err: "QPS"},
		{in: "a=5:0", err: "BURST"},
		{in: "a=5:1:0", err: "WEIGHT"},
	} {
		got, err := parseClusterLimit(tc.in)
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%q: error %v, want one about %q", tc.in, err, tc.err)
			}
			continue
		}
		if err != nil || !cmp.Equal(got, tc.want, cmp.AllowUnexported(clusterLimit{})) {
			t.Errorf("%q: %+v, %v, want %+v", tc.in, got, err, tc.want)
		}
	}
	if _, err := parseClusterLimits([]string{"a=1:1", "a=2:2"}); err == nil {
		t.Error("two limits of one cluster are accepted")
	}
}
