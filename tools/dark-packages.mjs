// For CI: installs the Debian packages that the rig of tools/dark needs, where they are missing and
// this is root. Where it cannot, its tests are skipped, and they say why.
import { installDarkPackages } from './lib/dark-support.mjs';

installDarkPackages();
