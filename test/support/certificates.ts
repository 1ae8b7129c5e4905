import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

export type Authority = { caFile: string; caKeyFile: string }

/** A certificate authority of its own, by openssl, in files of the folder. */
export function createAuthority(folder: string, name: string): Authority {
  const caFile = join(folder, `${name}.pem`)
  const caKeyFile = join(folder, `${name}.key`)
  openssl(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
  )(...['-subj', `/CN=${name}`, '-keyout', caKeyFile, '-out', caFile])
  return { caFile, caKeyFile }
}

/**
 * A certificate of that authority, and its key, as files.
 * @param alternatives subject alternative names as openssl writes them, such as `DNS:localhost,IP:127.0.0.1`
 */
export function issueCertificate(
  folder: string,
  authority: Authority,
  { name, alternatives }: { name: string; alternatives?: string },
): { certFile: string; keyFile: string } {
  const [certFile, keyFile] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)]
  const [requestFile, extensionsFile] = [join(folder, `${name}.csr`), join(folder, `${name}.ext`)]
  writeFileSync(extensionsFile, alternatives === undefined ? '' : `subjectAltName=${alternatives}\n`)
  openssl(
    'req',
    '-new',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
  )(...['-subj', `/CN=${name}`, '-keyout', keyFile, '-out', requestFile])
  openssl(
    'x509',
    '-req',
    '-days',
    '2',
    '-CAcreateserial',
    '-in',
    requestFile,
  )(...['-CA', authority.caFile, '-CAkey', authority.caKeyFile, '-extfile', extensionsFile, '-out', certFile])
  return { certFile, keyFile }
}

function openssl(...first: string[]): (...rest: string[]) => void {
  return (...rest) => {
    const { status, stderr } = spawnSync('openssl', [...first, ...rest], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`openssl ${first[0]}: ${stderr}`)
  }
}
