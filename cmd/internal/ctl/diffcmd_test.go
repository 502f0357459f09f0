package ctl

import (
	"bytes"
	"strings"
	"testing"
)

func TestDiffOfAStream(t *testing.T) {
	const difference = `{"difference":{"cluster":"c","resource":"pods","namespace":"n","name":"a\u001b[2J","verdict":"OnlyInSink","sink":{"exists":true,"uid":"u","resourceVersion":"7"}}}` + "\n"
	for name, tc := range map[string]struct {
		stream string
		code   int
		says   string // what is written, or the error
	}{
		"nothing differs":    {"\n" + `{"stream":{"cluster":"c","objects":3,"pending":1}}` + "\n" + `{"done":{"streams":1,"objects":3}}` + "\n", 0, "0 of 3 objects differ, in 1 streams; 1 are on their way"},
		"one differs":        {difference + `{"done":{"streams":1,"objects":3,"differences":1}}`, ExitProblem, "c         pods       n/a [2J   OnlyInSink   -        -        7"},
		"some were too many": {`{"stream":{"cluster":"c","objects":3,"more":2}}` + "\n" + `{"done":{"streams":1,"objects":3,"differences":2}}`, ExitProblem, "2 more may"},
		"one failed":         {difference + `{"stream":{"cluster":"c","stream":"pods","error":"no\u001broute"}}` + "\n" + `{"done":{"streams":1,"failed":1}}`, ExitUnasked, "cluster c, pods: no route"},
		"it was cut short":   {difference, ExitUnasked, "the comparison was cut short: the program stops"},
		"and says why":       {`{"stream":{"cluster":"c","error":"the settings are being changed"}}`, ExitUnasked, "cut short: the settings are being changed"},
		"it is no stream":    {"<html>", ExitUnasked, "read the comparison"},
		"a line has no end":  {strings.Repeat("x", mostDiffLine+1), ExitUnasked, "too long"},
	} {
		d, err := readDiff(t.Context(), strings.NewReader(tc.stream))
		var out bytes.Buffer
		if wrong := d.print(&out, &out, &Output{}); wrong != nil {
			t.Fatal(wrong)
		}
		code := 0
		if err = endOf(d, err); err != nil {
			out.WriteString(err.Error())
			code = err.(*ExitError).Code //nolint:errorlint,forcetypeassert // It ends so.
		}
		if text := out.String(); code != tc.code || !strings.Contains(text, tc.says) || strings.Contains(text, "\x1b") {
			t.Errorf("%s: exit code %d, want %d, and %q in\n%s", name, code, tc.code, tc.says, text)
		}
	}
}
