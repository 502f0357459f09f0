package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"
)

// parse returns the options with which the demo would begin, nil if it would not.
func parse(out io.Writer, args ...string) (begun *options, err error) {
	cmd := newCommand(func(_ context.Context, o *options) error {
		begun = o
		return nil
	})
	cmd.SetOut(out)
	cmd.SetArgs(append([]string{}, args...)) // None would be those of the test program.
	err = cmd.Execute()
	return begun, err
}

func TestParseOptions(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args string
		want []string // in the error; none if empty
	}{
		{args: ""},
		{args: "--duration 20s --cut 10s --keep"},
		{args: "--duration 19s", want: []string{"--duration: 19s is too short"}},
		{args: "--rate 0 --flood 0.5 --objects 1", want: []string{"--rate: 0", "--flood: 0.5", "--objects: 1"}},
		{args: "--rate NaN --flood Inf", want: []string{"--rate: NaN", "--flood: +Inf"}},
		{args: "--cluster-qps -1", want: []string{"--cluster-qps: -1"}},
		{args: "--cut 0s --settle 0s", want: []string{"--cut: 0s", "--settle: 0s"}},
		{args: "--objects 2000", want: []string{"--settle: 30s", "give at least 1m20s"}},
		{args: "now", want: []string{`"now" is no flag`}},
		{args: "--nonsense", want: []string{"unknown flag: --nonsense"}},
		{args: "--fairlead /nowhere", want: []string{"/nowhere", "make build"}},
		{args: "--fairlead " + os.DevNull, want: []string{"not executable", "make build"}},
	} {
		o, err := parse(nil, append([]string{"--fairlead", self}, strings.Fields(test.args)...)...)
		if (err != nil) != (len(test.want) > 0) {
			t.Errorf("%s: error is %v", test.args, err)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error is %v, want %q in it", test.args, err, want)
			}
		}
		if err == nil && (o.cutStart() <= o.floodStart() || o.cutStart()+o.cut >= o.duration) {
			t.Errorf("%s: flood from %v, cut from %v for %v, end at %v", test.args, o.floodStart(), o.cutStart(), o.cut, o.duration)
		}
	}
}

func TestProgramBesideThisOne(t *testing.T) {
	_, err := parse(nil)
	if err == nil || !strings.Contains(err.Error(), "fairlead:") || !strings.Contains(err.Error(), "make build") {
		t.Errorf("error is %v, want one that says what to do", err)
	}
}

func TestHelp(t *testing.T) {
	var out bytes.Buffer
	if o, err := parse(&out, "--help"); o != nil || err != nil {
		t.Fatalf("it began with %+v; the error is %v", o, err)
	}
	for _, want := range []string{"quiet_p99_ms is over", "--keep", "(default 45s)"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the help does not have %q", want)
		}
	}
}
