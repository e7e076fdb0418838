//go:build !windows

package ledger

import (
	"errors"
	"os"
	"syscall"
)

// lockFile takes the writer's lock. The kernel frees it when the process ends, however it ends; the file stays, since
// removing it would let two processes lock two files of one name.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrLocked
	}
	return nil, errors.Join(err, f.Close())
}

// unlock frees the lock by name and not by closing the file alone: a child that is just being started holds every open file until
// it runs, and with it the lock.
func unlock(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var freed error
	err = raw.Control(func(fd uintptr) { freed = syscall.Flock(int(fd), syscall.LOCK_UN) })
	return errors.Join(err, freed, f.Close())
}
