// For CI: installs the Debian packages that tests need, where they are missing and this is root:
// those of the rig of tools/dark, and programs written for etcd. Where it cannot, their tests are
// skipped, and they say why.
import { installDarkPackages } from './lib/dark-support.mjs';
import { installEtcdPrograms } from './lib/etcd-programs.mjs';

installDarkPackages();
installEtcdPrograms();
