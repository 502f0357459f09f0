package notices

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestIdentify(t *testing.T) {
	const third = " Neither the name of the author nor the names of contributors may be used to endorse or promote products"
	for text, want := range map[string]string{
		"Apache License Version 2.0": "Apache-2.0",
		bsd:                          "BSD-2-Clause",
		bsd + third:                  "BSD-3-Clause",
		"Permission is hereby granted, free of charge, ... \nApache License": "Apache-2.0 MIT",
		"Permission to use, copy, modify, and/or distribute this software":   "ISC",
		"Mozilla Public License Version 2.0":                                 "MPL-2.0",
		"GNU GENERAL PUBLIC LICENSE":                                         "",
	} {
		got, err := Identify(module(t, "a.example", map[string]string{"LICENSE": text}, ".").Module)
		if (err != nil) != (want == "") {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
	if _, err := Identify(module(t, "a.example", map[string]string{"NOTICE": "by A"}, ".").Module); err == nil {
		t.Error("no licence is no error")
	}
}
