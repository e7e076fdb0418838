package wire

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/go-resty/resty/v2"
)

// Why a call has no usable answer, in our own words.
var (
	ErrReadOnly = errors.New("refused: this run may only read")
	ErrName     = errors.New("the server's name was not resolved")
	ErrTrust    = errors.New("the server's certificate is not trusted")
	ErrPlain    = errors.New("the server does not speak TLS")
	ErrDial     = errors.New("no connection to the server")
	ErrTooLarge = errors.New("the answer is larger than any that is read")
	ErrTimeout  = errors.New("no whole answer in time")
	ErrCut      = errors.New("the connection closed before the answer was whole")
	ErrRedirect = errors.New("a redirect, which is not followed")
	ErrNetwork  = errors.New("the connection broke")
)

// Broken returns which of these errors a failed exchange is; a connection that was never made says which system error it was.
func Broken(err error) error {
	var (
		name   *net.DNSError
		cert   *tls.CertificateVerificationError
		signer x509.UnknownAuthorityError
		plain  tls.RecordHeaderError
		op     *net.OpError
		errno  syscall.Errno
		timed  net.Error
	)
	switch {
	case errors.Is(err, ErrReadOnly):
		return ErrReadOnly
	case errors.Is(err, resty.ErrResponseBodyTooLarge):
		return ErrTooLarge
	case errors.Is(err, resty.ErrAutoRedirectDisabled):
		return ErrRedirect
	case errors.As(err, &name):
		return ErrName
	case errors.As(err, &cert), errors.As(err, &signer):
		return ErrTrust
	case errors.As(err, &plain):
		return ErrPlain
	case errors.As(err, &op) && op.Op == "dial" && errors.As(err, &errno):
		return fmt.Errorf("%w: %w", ErrDial, errno)
	case errors.As(err, &op) && op.Op == "dial":
		return ErrDial
	case errors.As(err, &timed) && timed.Timeout():
		return ErrTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ErrCut
	}
	return ErrNetwork
}

// NeverSent reports whether an error of Broken says that the far end has not seen the call.
func NeverSent(err error) bool {
	for _, before := range []error{ErrReadOnly, ErrName, ErrTrust, ErrPlain, ErrDial} {
		if errors.Is(err, before) {
			return true
		}
	}
	return false
}

// MayPass reports whether the same read may succeed seconds after an error of Broken. What took its whole time is not asked for again
// by the same call: a far end that hangs would hang as often as it is asked.
func MayPass(err error) bool {
	for _, stays := range []error{ErrReadOnly, ErrTrust, ErrPlain, ErrTooLarge, ErrTimeout, ErrRedirect} {
		if errors.Is(err, stays) {
			return false
		}
	}
	return true
}
