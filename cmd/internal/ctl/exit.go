package ctl

// Exit codes of the commands that ask a running program: 0 if all is well.
const (
	ExitProblem = 1 // the program has been asked, and something is wrong
	ExitUnasked = 2 // it could not be asked
)

// ExitError is the end of a command with an exit code of its own.
type ExitError struct {
	Code int
	Err  error // nil: the command has said all
}

// Error implements error.
func (e *ExitError) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

// Unwrap returns what is wrong.
func (e *ExitError) Unwrap() error { return e.Err }

// ExitCode returns the program's exit code.
func (e *ExitError) ExitCode() int { return e.Code }

// Unasked returns the end of a command that could not ask; nil of nil.
func Unasked(err error) error {
	if err == nil {
		return nil
	}
	return &ExitError{ExitUnasked, err}
}

// pointlessError is why it could not ask or print, and could not later either.
type pointlessError struct{ error }

// Unwrap returns what is wrong.
func (e *pointlessError) Unwrap() error { return e.error }
