/**
 * @mambagrad/nn/node: safetensors files, checkpoints and logs in folders, tables from CSV files.
 */
export { checkpointFolder } from './checkpoints/folder.node.ts';
export { loadSafetensors, openSafetensors, saveSafetensors } from './checkpoints/file.node.ts';
export { loadModel, saveModel } from './checkpoints/modelFile.node.ts';
export {
  runFolder, type RunFolder, type RunFolderOptions,
} from './checkpoints/runFolder.node.ts';
export { loadRunOptions } from './checkpoints/runOptions.node.ts';
export { readCsv } from './data/csvFile.node.ts';
export { loadLog, type LogFile, logFile } from './report/logFile.node.ts';
export { type CommandResult, runCommand } from './report/command.node.ts';
export { report } from './report/report.node.ts';
