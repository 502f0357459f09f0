package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Exit codes of Main, beside 0.
const (
	ExitFailed      = 1 // something was wrong, or nothing could be checked
	ExitUsage       = 2
	ExitInterrupted = 130 // what a shell reports for a program that Ctrl-C ended
)

// ErrInterrupted ends a run early because someone asked for it. It is the cause of
// the end of the context that Main hands out.
var ErrInterrupted = errors.New("interrupted")

// Options are what the flags of a program say.
type Options interface {
	AddFlags(*pflag.FlagSet)
	// Check reports everything that is wrong. It is called once the flags are read.
	Check() error
}

// usageError is what is wrong with the command line.
type usageError struct{ error }

// NewCommand returns a program's command line, which has flags and nothing else.
// help is what stands before the flags in the answer to --help.
func NewCommand(name, help string, o Options, run func(ctx context.Context, out io.Writer) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:           name,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("%q is no flag; --help lists them", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Check(); err != nil {
				return usageError{err}
			}
			return run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		_, _ = fmt.Fprint(cmd.OutOrStdout(), help, cmd.Flags().FlagUsages()) // There is nobody else to tell.
	})
	cmd.Flags().SortFlags = false
	o.AddFlags(cmd.Flags())
	return cmd
}

// Main runs a command and returns the program's exit code. The first signal ends
// the command's context, the second one the program.
func Main(cmd *cobra.Command) int {
	signals, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ctx, interrupt := context.WithCancelCause(context.Background())
	defer interrupt(nil)
	context.AfterFunc(signals, func() {
		stop() // What was started ends with the program, on Linux.
		interrupt(ErrInterrupted)
	})
	// Someone may have seen enough and closed the pipe: what was started is still
	// to be ended and removed.
	signal.Ignore(syscall.SIGPIPE)

	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	code := ExitFailed
	if errors.Is(err, ErrInterrupted) {
		code = ExitInterrupted
		if others := besideInterruption(err); others != nil {
			err = fmt.Errorf("%w: %w", ErrInterrupted, others)
		} else {
			err = fmt.Errorf("%w; everything it started has ended", ErrInterrupted)
		}
	} else if _, usage := errors.AsType[usageError](err); usage {
		code = ExitUsage
	}
	_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%s: %v\n", cmd.Name(), err)
	return code
}

// besideInterruption returns what an error joins beside the interruption: something
// that could not be ended, say. An error whose text tells of the interruption is none.
func besideInterruption(err error) error {
	switch e := err.(type) { //nolint:errorlint // It is taken apart.
	case interface{ Unwrap() []error }:
		parts := e.Unwrap()
		if err.Error() != errors.Join(parts...).Error() {
			break // one text, of several errors
		}
		var others []error
		for _, part := range parts {
			others = append(others, besideInterruption(part))
		}
		return errors.Join(others...)
	case interface{ Unwrap() error }:
		if inside := e.Unwrap(); errors.Is(inside, ErrInterrupted) {
			return besideInterruption(inside)
		}
	}
	if errors.Is(err, ErrInterrupted) {
		return nil
	}
	return err
}
