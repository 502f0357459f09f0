// Command report writes docs/benchmarks.md and its plots from the output of
// `go test -bench`, as `make bench` runs it.
//
//	go run ./bench/report --raw docs/benchmarks/raw.txt --tables docs/benchmarks/benchstat.txt \
//		--reasons docs/benchmarks/reasons.txt --out docs/benchmarks.md --command "make bench"
//
// What it says about machine, versions and commit is of where and when it runs, so
// it has to run right after the benchmarks.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fairlead-dev/fairlead/bench/internal/report"
)

type options struct {
	raw, tables, reasons, out, command string
}

func main() {
	if err := newCommand().Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:           "report",
		Short:         "Write a report on the output of go test -bench",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.raw, "raw", "docs/benchmarks/raw.txt", "output of go test -bench")
	f.StringVar(&o.tables, "tables", "docs/benchmarks/benchstat.txt", "benchstat's tables of it, which the report points to")
	f.StringVar(&o.reasons, "reasons", "docs/benchmarks/reasons.txt", "why goals are missed")
	f.StringVar(&o.out, "out", "docs/benchmarks.md", "report to write; the plots go beside the tables")
	f.StringVar(&o.command, "command", "make bench", "command to tell of, that made the raw output")
	return cmd
}

func run(ctx context.Context, o options) error {
	raw, err := os.Open(o.raw)
	if err != nil {
		return err
	}
	runs, err := report.Parse(raw)
	if err = errors.Join(err, raw.Close()); err != nil {
		return fmt.Errorf("read %s: %w", o.raw, err)
	}
	if len(runs.Cases) == 0 {
		return fmt.Errorf("%s: no benchmark was run; does any have the name that was asked for?", o.raw)
	}
	text, err := os.ReadFile(o.reasons)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	reasons, err := report.ParseReasons(string(text))
	if err != nil {
		return fmt.Errorf("read %s: %w", o.reasons, err)
	}
	plots := filepath.Dir(o.tables)
	info := report.Info{Facts: facts(ctx, runs, o.command), Reasons: reasons}
	for from, to := range map[string]*string{plots: &info.PlotDir, o.raw: &info.RawFile, o.tables: &info.TablesFile} {
		path, err := filepath.Rel(filepath.Dir(o.out), from)
		if err != nil {
			return err
		}
		*to = filepath.ToSlash(path)
	}

	var b bytes.Buffer
	if err := runs.Markdown(&b, info); err != nil {
		return err
	}
	if err := write(o.out, b.Bytes()); err != nil {
		return err
	}
	for _, plot := range report.Plots() {
		for _, theme := range report.Themes {
			var b bytes.Buffer
			if err := runs.Plot(&b, plot, theme); err != nil {
				return err
			}
			if err := write(filepath.Join(plots, plot+"-"+theme.Name+".svg"), b.Bytes()); err != nil {
				return err
			}
		}
	}
	return nil
}

func write(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}
