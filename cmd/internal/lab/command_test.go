package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// checked are options that may be wrong.
type checked struct{ wrong bool }

func (c *checked) AddFlags(f *pflag.FlagSet) { f.BoolVar(&c.wrong, "wrong", false, "whether they are") }

func (c *checked) Check() error {
	if c.wrong {
		return errors.New("--wrong: they are wrong")
	}
	return nil
}

func TestExitCodes(t *testing.T) {
	for _, test := range []struct {
		args   string
		ends   error
		code   int
		stderr string
		stdout string
	}{
		{code: 0, stdout: "it ran\n"},
		{ends: errors.New("it broke"), code: ExitFailed, stdout: "it ran\n", stderr: "try: it broke\n"},
		{
			ends: fmt.Errorf("list: %w", ErrInterrupted), code: ExitInterrupted, stdout: "it ran\n",
			stderr: "try: interrupted; everything it started has ended\n",
		},
		{
			ends: fmt.Errorf("play: %w", errors.Join(errors.New("a server does not end"), fmt.Errorf("list: %w", ErrInterrupted))),
			code: ExitInterrupted, stdout: "it ran\n", stderr: "try: interrupted: a server does not end\n",
		},
		{
			ends: fmt.Errorf("%w: %w", ErrInterrupted, errors.New("not in step yet")), code: ExitInterrupted, stdout: "it ran\n",
			stderr: "try: interrupted; everything it started has ended\n",
		},
		{args: "--wrong", code: ExitUsage, stderr: "try: --wrong: they are wrong\n"},
		{args: "--more", code: ExitUsage, stderr: "try: unknown flag: --more\n"},
		{args: "more", code: ExitUsage, stderr: "try: \"more\" is no flag; --help lists them\n"},
		{args: "--help", code: 0, stdout: "Tries.\n  -h, --help    help for try\n      --wrong   whether they are\n"},
	} {
		t.Run(test.args, func(t *testing.T) {
			cmd := NewCommand("try", "Tries.\n", &checked{}, func(_ context.Context, out io.Writer) error {
				_, err := fmt.Fprintln(out, "it ran")
				return errors.Join(err, test.ends)
			})
			var stdout, stderr bytes.Buffer
			cmd.SetOut(&stdout)
			cmd.SetErr(&stderr)
			cmd.SetArgs(strings.Fields(test.args))
			code := Main(cmd)
			// Flags are listed in the order in which they were added.
			help := slices.Sorted(strings.Lines(stdout.String()))
			if code != test.code || stderr.String() != test.stderr || !slices.Equal(help, slices.Sorted(strings.Lines(test.stdout))) {
				t.Errorf("code %d, want %d; stderr %q, want %q; stdout:\n%s", code, test.code, stderr.String(), test.stderr, stdout.String())
			}
		})
	}
}

func TestSome(t *testing.T) {
	many := make([]string, 12)
	if got := Some(many); len(got) != 11 || got[10] != "and 2 more" || many[10] != "" {
		t.Errorf("%q of %q", got, many)
	}
	if got := Some(many[:10]); len(got) != 10 || got[9] != "" {
		t.Errorf("%q", got)
	}
}
